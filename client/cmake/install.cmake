# What a user of the library gets, wherever it is put: `cmake --install build --prefix P --component library`.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/framering)
install(TARGETS framering EXPORT framering-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(DIRECTORY include/framering ${CMAKE_CURRENT_BINARY_DIR}/include/framering
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library FILES_MATCHING PATTERN *.h)
install(EXPORT framering-targets NAMESPACE framering:: DESTINATION ${package_dir} COMPONENT library)

# An archive leaves to its user what a shared object has found already.
if(NOT BUILD_SHARED_LIBS)
  set(FRAMERING_FIND_DEPENDENCIES "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\n")
endif()
configure_file(cmake/framering-config.cmake.in framering-config.cmake @ONLY)
# Before 1.0 a minor version may break what was there, as the name of the shared object says too.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/framering-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/framering-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/framering-config-version.cmake
  DESTINATION ${package_dir} COMPONENT library)

# Relative to itself, so that it is right wherever it is installed.
file(RELATIVE_PATH FRAMERING_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" FRAMERING_PC_TO_PREFIX ${FRAMERING_PC_TO_PREFIX})
file(RELATIVE_PATH FRAMERING_PC_INCLUDES ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
file(RELATIVE_PATH FRAMERING_PC_LIBRARIES ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
configure_file(cmake/framering.pc.in framering.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/framering.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
