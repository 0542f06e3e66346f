# The CUDA toolkit, as far as this project needs it: the driver's header and nvcc. Nothing of it is linked.
#   FrameringCuda_FOUND, FrameringCuda_INCLUDE_DIR, FrameringCuda_NVCC
find_program(FrameringCuda_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin PATHS /usr/local/cuda)
find_path(FrameringCuda_INCLUDE_DIR cuda.h HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES include
          PATHS /usr/local/cuda)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(FrameringCuda REQUIRED_VARS FrameringCuda_NVCC FrameringCuda_INCLUDE_DIR)

# framering_embed_kernels(TARGET FILE.cu SYMBOL): compiles the file for every GPU from sm_75 to sm_120, and PTX
# for later ones, into a fat binary that the target holds as `extern const unsigned char SYMBOL[]`.
function(framering_embed_kernels target source symbol)
  get_filename_component(name ${source} NAME_WE)
  set(fatbin ${CMAKE_CURRENT_BINARY_DIR}/${name}.fatbin)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/${name}_fatbin.cpp)
  set(architectures "")
  foreach(architecture 75 80 86 89 90 100 120)
    list(APPEND architectures -gencode arch=compute_${architecture},code=sm_${architecture})
  endforeach()
  list(APPEND architectures -gencode arch=compute_120,code=compute_120)
  add_custom_command(
    OUTPUT ${fatbin}
    COMMAND ${FrameringCuda_NVCC} -fatbin -std=c++17 -O3 --compress-mode=size ${architectures}
            -I${PROJECT_SOURCE_DIR} -I${PROJECT_SOURCE_DIR}/client/include
            -MD -MF ${fatbin}.d -o ${fatbin} ${CMAKE_CURRENT_SOURCE_DIR}/${source}
    DEPENDS ${source} DEPFILE ${fatbin}.d VERBATIM)
  add_custom_command(
    OUTPUT ${embedded}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${fatbin} -DOUTPUT=${embedded} -DSYMBOL=${symbol}
            -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${fatbin} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${embedded})
endfunction()
