// libcuda's calls: devices, contexts, errors.
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tests/fake_cuda/driver.h"
#include "tests/fake_cuda/settings.h"

namespace fake_cuda {

namespace {

struct ErrorText {
  CUresult result;
  const char* name;
  const char* sentence;
};

#define FAKE_CUDA_ERROR(name, sentence) \
  { name, #name, sentence }
constexpr ErrorText kErrors[] = {
    FAKE_CUDA_ERROR(CUDA_SUCCESS, "no error"),
    FAKE_CUDA_ERROR(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    FAKE_CUDA_ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    FAKE_CUDA_ERROR(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    FAKE_CUDA_ERROR(CUDA_ERROR_DEINITIALIZED, "driver shutting down"),
    FAKE_CUDA_ERROR(CUDA_ERROR_DEVICE_UNAVAILABLE, "device is busy or unavailable"),
    FAKE_CUDA_ERROR(CUDA_ERROR_NO_DEVICE, "no device is detected"),
    FAKE_CUDA_ERROR(CUDA_ERROR_INVALID_DEVICE, "invalid device number"),
    FAKE_CUDA_ERROR(CUDA_ERROR_INVALID_IMAGE, "invalid device image"),
    FAKE_CUDA_ERROR(CUDA_ERROR_INVALID_CONTEXT, "invalid context"),
    FAKE_CUDA_ERROR(CUDA_ERROR_MAP_FAILED, "mapping failed"),
    FAKE_CUDA_ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image for this device"),
    FAKE_CUDA_ERROR(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error"),
    FAKE_CUDA_ERROR(CUDA_ERROR_OPERATING_SYSTEM, "a call of the operating system failed"),
    FAKE_CUDA_ERROR(CUDA_ERROR_INVALID_HANDLE, "invalid handle"),
    FAKE_CUDA_ERROR(CUDA_ERROR_NOT_FOUND, "symbol not found"),
    FAKE_CUDA_ERROR(CUDA_ERROR_NOT_READY, "not ready"),
    FAKE_CUDA_ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "illegal memory access"),
    FAKE_CUDA_ERROR(CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out"),
    FAKE_CUDA_ERROR(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the context is destroyed"),
    FAKE_CUDA_ERROR(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "host memory already registered"),
    FAKE_CUDA_ERROR(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "host memory not registered"),
    FAKE_CUDA_ERROR(CUDA_ERROR_LAUNCH_FAILED, "launch failure"),
    FAKE_CUDA_ERROR(CUDA_ERROR_NOT_PERMITTED, "not permitted"),
    FAKE_CUDA_ERROR(CUDA_ERROR_NOT_SUPPORTED, "not supported"),
    FAKE_CUDA_ERROR(CUDA_ERROR_UNKNOWN, "unknown error"),
};
#undef FAKE_CUDA_ERROR

const ErrorText* find_error(CUresult result) {
  for (const ErrorText& error : kErrors) {
    if (error.result == result) return &error;
  }
  return nullptr;
}

int number_of(CUdevice device) {
  return settings().devices[static_cast<size_t>(device)];
}

// Those of a Hopper card, as far as anybody here asks. INVALID_VALUE for the others: add what is missed.
CUresult attribute_of(CUdevice device, CUdevice_attribute attribute, int* value) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *value = 9;
      break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      *value = 132;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = 1024;
      break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      *value = 32;
      break;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
      *value = 1 + number_of(device);
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID:
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
    case CU_DEVICE_ATTRIBUTE_INTEGRATED:
      *value = 0;
      break;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM:
      *value = 1;
      break;
    case CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED:
      *value = settings().read_only_registration;
      break;
    case CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_MEM_OPS_V1:
    case CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS_V1:
    case CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS:
      *value = settings().stream_memory_operations;
      break;
    case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED:
      *value = settings().vmm;
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

// Of a device that this process sees.
template <class Body>
CUresult with_device(CUdevice device, Body&& body) {
  return Driver::get().is_device(device) ? body() : CUDA_ERROR_INVALID_DEVICE;
}

}  // namespace

extern "C" {

CUresult cuInit(unsigned int flags) {
  if (Driver::get().is_forked()) return CUDA_ERROR_NOT_INITIALIZED;
  if (const CUresult fault = begin_call(__func__, false); fault != CUDA_SUCCESS) return fault;
  return flags == 0 ? Driver::get().initialize() : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDriverGetVersion(int* version) {
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = settings().driver_version;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult result, const char** name) {
  const ErrorText* error = find_error(result);
  *name = error ? error->name : nullptr;
  return error ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult result, const char** sentence) {
  const ErrorText* error = find_error(result);
  *sentence = error ? error->sentence : nullptr;
  return error ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceGetCount(int* count) {
  return driver_call(__func__, [&] {
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    *count = Driver::get().device_count();
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return driver_call(__func__, [&] {
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    return with_device(ordinal, [&] {
      *device = ordinal;
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuDeviceGetName(char* name, int bytes, CUdevice device) {
  return driver_call(__func__, [&] {
    if (!name || bytes <= 0) return CUDA_ERROR_INVALID_VALUE;
    return with_device(device, [&] {
      std::snprintf(name, static_cast<size_t>(bytes), "Fake GPU %d", number_of(device));
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  return driver_call(__func__, [&] {
    if (!uuid) return CUDA_ERROR_INVALID_VALUE;
    return with_device(device, [&] {
      std::memcpy(uuid->bytes,
                  "\xfa\xce"
                  "framering-gpu",
                  sizeof uuid->bytes);
      uuid->bytes[15] = static_cast<char>(number_of(device));
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  return driver_call(__func__, [&] {
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    return with_device(device, [&] { return attribute_of(device, attribute, value); });
  });
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return device_call(__func__, [&] {
    if (!context) return CUDA_ERROR_INVALID_VALUE;
    return with_device(device, [&] { return Driver::get().retain_primary(device, context); });
  });
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return driver_call(
      __func__, [&] { return with_device(device, [&] { return Driver::get().release_primary(device); }); });
}

CUresult cuCtxCreate_v4(CUcontext* context, CUctxCreateParams*, unsigned int, CUdevice device) {
  return device_call(__func__, [&] {
    if (!context) return CUDA_ERROR_INVALID_VALUE;
    return with_device(device, [&] {
      Context* made = nullptr;
      if (const CUresult result = Driver::get().create_context(device, &made); result != CUDA_SUCCESS)
        return result;
      context_stack().push_back(made);
      *context = made->handle();
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuCtxDestroy(CUcontext handle) {
  return driver_call(__func__, [&] {
    Context* context = Driver::get().find_context(handle);
    if (!context || context->is_destroyed()) return CUDA_ERROR_INVALID_CONTEXT;
    if (current_context() == context) context_stack().pop_back();
    Driver::get().destroy_context(*context);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPushCurrent(CUcontext handle) {
  return driver_call(__func__, [&] {
    Context* context = Driver::get().find_context(handle);
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    context_stack().push_back(context);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPopCurrent(CUcontext* handle) {
  return driver_call(__func__, [&] {
    Context* context = current_context();
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    context_stack().pop_back();
    if (handle) *handle = context->handle();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSetCurrent(CUcontext handle) {
  return driver_call(__func__, [&] {
    Context* context = handle ? Driver::get().find_context(handle) : nullptr;
    if (handle && !context) return CUDA_ERROR_INVALID_CONTEXT;
    if (current_context()) context_stack().pop_back();
    if (context) context_stack().push_back(context);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetCurrent(CUcontext* handle) {
  return driver_call(__func__, [&] {
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    Context* context = current_context();
    *handle = context ? context->handle() : nullptr;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetDevice(CUdevice* device) {
  return driver_call(__func__, [&] {
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    const Context* context = current_context();
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    *device = context->device();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSynchronize() {
  return context_call(__func__, [](Context& context) {
    context.synchronize();
    return context.error();
  });
}

}  // extern "C"

}  // namespace fake_cuda
