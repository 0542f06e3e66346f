// The CUDA driver, loaded at run time: programs that use it have no link-time dependency on it and run where
// there is no GPU. Every call is checked; its error names the call, the driver's name of the result and its
// sentence.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "proto/cuda_uuid.h"
#include "proto/result.h"

namespace framering::proto {

// kOutOfMemory where the device's memory is exhausted, kForked where CUDA was in use before this process was
// forked, else kUnavailable.
Error cuda_error(const char* call, CUresult result);

template <class Function>
class CudaCall;

template <class... Args>
class CudaCall<CUresult(Args...)> {
 public:
  using Pointer = CUresult (*)(Args...);

  explicit CudaCall(const char* name) : name_(name) {}

  Status operator()(Args... args) const {
    const CUresult result = pointer_(args...);
    if (result != CUDA_SUCCESS) return cuda_error(name_, result);
    return Ok{};
  }
  // For calls whose result is an answer, such as cuStreamQuery.
  CUresult raw(Args... args) const { return pointer_(args...); }

  const char* name() const { return name_; }
  bool is_bound() const { return pointer_ != nullptr; }
  void bind(void* symbol) { pointer_ = reinterpret_cast<Pointer>(symbol); }

 private:
  const char* name_;
  Pointer pointer_ = nullptr;
};

// cuda.h renames calls to the version that it declares (cuMemAlloc is cuMemAlloc_v2); so do these.
#define FRAMERING_CUDA_CALLS(CALL)     \
  CALL(cuCtxGetCurrent)                \
  CALL(cuCtxGetDevice)                 \
  CALL(cuCtxPopCurrent)                \
  CALL(cuCtxPushCurrent)               \
  CALL(cuCtxSynchronize)               \
  CALL(cuDeviceGet)                    \
  CALL(cuDeviceGetAttribute)           \
  CALL(cuDeviceGetCount)               \
  CALL(cuDeviceGetName)                \
  CALL(cuDeviceGetUuid)                \
  CALL(cuDevicePrimaryCtxRelease)      \
  CALL(cuDevicePrimaryCtxRetain)       \
  CALL(cuDriverGetVersion)             \
  CALL(cuEventCreate)                  \
  CALL(cuEventDestroy)                 \
  CALL(cuEventRecord)                  \
  CALL(cuEventSynchronize)             \
  CALL(cuGetErrorName)                 \
  CALL(cuGetErrorString)               \
  CALL(cuInit)                         \
  CALL(cuIpcCloseMemHandle)            \
  CALL(cuIpcGetMemHandle)              \
  CALL(cuIpcOpenMemHandle)             \
  CALL(cuLaunchKernel)                 \
  CALL(cuLibraryGetKernel)             \
  CALL(cuLibraryLoadData)              \
  CALL(cuMemAddressFree)               \
  CALL(cuMemAddressReserve)            \
  CALL(cuMemAlloc)                     \
  CALL(cuMemCreate)                    \
  CALL(cuMemExportToShareableHandle)   \
  CALL(cuMemFree)                      \
  CALL(cuMemGetAllocationGranularity)  \
  CALL(cuMemHostGetDevicePointer)      \
  CALL(cuMemHostRegister)              \
  CALL(cuMemHostUnregister)            \
  CALL(cuMemImportFromShareableHandle) \
  CALL(cuMemMap)                       \
  CALL(cuMemRelease)                   \
  CALL(cuMemSetAccess)                 \
  CALL(cuMemUnmap)                     \
  CALL(cuMemcpyDtoDAsync)              \
  CALL(cuMemcpyDtoHAsync)              \
  CALL(cuMemcpyHtoDAsync)              \
  CALL(cuMemsetD8Async)                \
  CALL(cuModuleGetFunction)            \
  CALL(cuModuleLoadData)               \
  CALL(cuModuleUnload)                 \
  CALL(cuPointerGetAttribute)          \
  CALL(cuStreamCreate)                 \
  CALL(cuStreamDestroy)                \
  CALL(cuStreamIsCapturing)            \
  CALL(cuStreamQuery)                  \
  CALL(cuStreamSynchronize)            \
  CALL(cuStreamWaitEvent)              \
  CALL(cuStreamWriteValue64)

struct CudaDriver {
  // Any thread. Loads libcuda.so.1 and initializes it at the first call; a failure is remembered.
  // kMemoryUnavailable says what is missing: the library, a call that this driver is too old for, a device.
  static Result<const CudaDriver*> load();

#define FRAMERING_CUDA_NAME_OF(call) #call
#define FRAMERING_CUDA_MEMBER(call) CudaCall<decltype(::call)> call{FRAMERING_CUDA_NAME_OF(call)};
  FRAMERING_CUDA_CALLS(FRAMERING_CUDA_MEMBER)
#undef FRAMERING_CUDA_MEMBER
#undef FRAMERING_CUDA_NAME_OF
};

std::string uuid_text(const CudaUuid& uuid);  // "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", as nvidia-smi -L

struct CudaDevice {
  CUdevice handle = 0;
  int index = 0;
  CudaUuid uuid{};
  std::string name;
};

std::string device_text(const CudaDevice& device);              // "GPU 0 (NVIDIA H200, GPU-...)"
Error on_device(const Error& error, const CudaDevice& device);  // the same error, naming the device

// By number ("0"), by UUID ("GPU-...") or, for "", the first. kMemoryUnavailable lists the devices there are.
Result<CudaDevice> find_cuda_device(const CudaDriver& driver, const std::string& which);
Result<CudaDevice> find_cuda_device(const CudaDriver& driver, const CudaUuid& uuid);

// A device's primary context, kept while this lives. Any thread.
class CudaContext {
 public:
  static Result<CudaContext> retain(const CudaDriver& driver, CUdevice device);
  CudaContext(CudaContext&& other) noexcept;
  CudaContext& operator=(CudaContext&&) = delete;
  ~CudaContext();

  CUcontext get() const { return context_; }

 private:
  CudaContext(const CudaDriver& driver, CUdevice device, CUcontext context)
      : driver_(&driver), device_(device), context_(context) {}

  const CudaDriver* driver_;
  CUdevice device_;
  CUcontext context_;
};

// Makes a context current in this thread until the end of the scope.
class CudaCurrent {
 public:
  CudaCurrent(const CudaDriver& driver, CUcontext context) : driver_(driver) {
    pushed_ = driver_.cuCtxPushCurrent.raw(context) == CUDA_SUCCESS;
  }
  ~CudaCurrent() {
    CUcontext popped;
    if (pushed_) driver_.cuCtxPopCurrent.raw(&popped);
  }
  CudaCurrent(const CudaCurrent&) = delete;
  CudaCurrent& operator=(const CudaCurrent&) = delete;

 private:
  const CudaDriver& driver_;
  bool pushed_;
};

// A stream, module, event, allocation ... of the driver with one owner. Destroyed with its context current.
template <class Handle>
class CudaOwned {
 public:
  CudaOwned() = default;
  CudaOwned(const CudaCall<CUresult(Handle)>& destroy, Handle handle) : destroy_(&destroy), handle_(handle) {}
  CudaOwned(CudaOwned&& other) noexcept
      : destroy_(std::exchange(other.destroy_, nullptr)), handle_(other.handle_) {}
  CudaOwned& operator=(CudaOwned&& other) noexcept {
    std::swap(destroy_, other.destroy_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~CudaOwned() {
    // Nothing can be done about a failure: the context is lost, and what it held with it.
    if (destroy_) destroy_->raw(handle_);
  }

  Handle get() const { return handle_; }

 private:
  const CudaCall<CUresult(Handle)>* destroy_ = nullptr;
  Handle handle_{};
};

}  // namespace framering::proto
