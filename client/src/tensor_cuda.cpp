#include "client/src/tensor_cuda.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "client/src/errors.h"
#include "client/src/stream_release.h"
#include "client/src/tensor_plan.h"
#include "proto/cuda_driver.h"

extern const unsigned char framering_tensor_kernels[];

namespace framering::internal {

namespace {

using proto::CudaContext;
using proto::CudaCurrent;
using proto::CudaDriver;

void check(const proto::Status& status) {
  if (!status) raise(status.error());
}

// Loaded once for all contexts, also those that come later, and for as long as the process.
class Kernels {
 public:
  explicit Kernels(const CudaDriver& driver) {
    CUlibrary library = nullptr;
    check(driver.cuLibraryLoadData(&library, framering_tensor_kernels, nullptr, nullptr, 0, nullptr, nullptr,
                                   0));
    for (size_t i = 0; i < std::size(kTensorKernels); ++i)
      check(driver.cuLibraryGetKernel(&kernels_[i], library, kTensorKernels[i]));
  }

  // As cuLaunchKernel takes it.
  CUfunction find(std::string_view name) const {
    const auto* found = std::find(std::begin(kTensorKernels), std::end(kTensorKernels), name);
    return reinterpret_cast<CUfunction>(kernels_[found - std::begin(kTensorKernels)]);
  }

 private:
  CUkernel kernels_[std::size(kTensorKernels)] = {};
};

bool is_current(const CudaDriver& driver, CUdevice device) {
  CUcontext context = nullptr;
  CUdevice of_context = 0;
  check(driver.cuCtxGetCurrent(&context));
  if (!context) return false;
  check(driver.cuCtxGetDevice(&of_context));
  return of_context == device;
}

void launch(const CudaDriver& driver, const TensorArguments& arguments, void* cuda_stream) {
  check(check_not_captured(driver, static_cast<CUstream>(cuda_stream)));
  static const Kernels kernels(driver);
  const TensorLaunch launch = tensor_launch(arguments);
  void* parameters[] = {const_cast<TensorArguments*>(&arguments)};
  check(driver.cuLaunchKernel(kernels.find(launch.kernel), launch.grid[0], launch.grid[1], launch.grid[2],
                              launch.block[0], launch.block[1], launch.block[2], 0,
                              static_cast<CUstream>(cuda_stream), parameters, nullptr));
}

// Runs `work` with a context of the device current: the caller's, or the primary one.
template <class Work>
void on_device(int device, Work&& work) {
  const CudaDriver& driver = *value_or_raise(CudaDriver::load());
  CUdevice handle = 0;
  check(driver.cuDeviceGet(&handle, device));
  if (is_current(driver, handle)) return work(driver);
  const CudaContext primary = value_or_raise(CudaContext::retain(driver, handle));
  const CudaCurrent current(driver, primary.get());
  work(driver);
}

CUdeviceptr address(const std::byte* pointer) {
  return reinterpret_cast<CUdeviceptr>(pointer);
}

}  // namespace

void convert_on_device(int device, const TensorArguments& arguments, void* cuda_stream) {
  on_device(device, [&](const CudaDriver& driver) { launch(driver, arguments, cuda_stream); });
}

std::shared_ptr<std::byte> allocate_on_device(int device, size_t bytes) {
  std::shared_ptr<std::byte> memory;
  on_device(device, [&](const CudaDriver& driver) {
    // The memory lives in a context, which must stay.
    CUdevice handle = 0;
    check(driver.cuDeviceGet(&handle, device));
    auto context = std::make_shared<CudaContext>(value_or_raise(CudaContext::retain(driver, handle)));
    const CudaCurrent current(driver, context->get());
    CUdeviceptr allocated = 0;
    check(driver.cuMemAlloc(&allocated, bytes));
    memory = {reinterpret_cast<std::byte*>(allocated), [&driver, context](std::byte* pointer) {
                const CudaCurrent of_memory(driver, context->get());
                driver.cuMemFree.raw(address(pointer));
              }};
  });
  return memory;
}

void wait_for_stream(int device, void* cuda_stream) {
  on_device(device, [&](const CudaDriver& driver) {
    check(driver.cuStreamSynchronize(static_cast<CUstream>(cuda_stream)));
  });
}

void copy_from_device(int device, const std::byte* from, size_t bytes, void* to) {
  on_device(device, [&](const CudaDriver& driver) {
    check(driver.cuMemcpyDtoHAsync(to, address(from), bytes, nullptr));
    check(driver.cuStreamSynchronize(nullptr));
  });
}

}  // namespace framering::internal
