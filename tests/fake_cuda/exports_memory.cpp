// libcuda's calls: memory.
#include "tests/fake_cuda/driver.h"
#include "tests/fake_cuda/memory.h"
#include "tests/fake_cuda/settings.h"

namespace fake_cuda {

namespace {

// A call of the virtual memory management, which needs no context.
template <class Body>
CUresult vmm_call(const char* name, Body&& body) {
  return device_call(name, [&] { return settings().vmm ? body() : CUDA_ERROR_NOT_SUPPORTED; });
}

CUresult check(const CUmemAllocationProp* properties) {
  if (!properties || properties->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
      properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!Driver::get().is_device(properties->location.id)) return CUDA_ERROR_INVALID_DEVICE;
  return properties->requestedHandleTypes & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
             ? CUDA_ERROR_NOT_SUPPORTED
             : CUDA_SUCCESS;
}

CUresult check(const CUmemAccessDesc& access) {
  if (access.location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
  if (!Driver::get().is_device(access.location.id)) return CUDA_ERROR_INVALID_VALUE;
  switch (access.flags) {
    case CU_MEM_ACCESS_FLAGS_PROT_NONE:
    case CU_MEM_ACCESS_FLAGS_PROT_READ:
    case CU_MEM_ACCESS_FLAGS_PROT_READWRITE:
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

Access access_of(const CUmemAccessDesc& access) {
  switch (access.flags) {
    case CU_MEM_ACCESS_FLAGS_PROT_READWRITE:
      return Access::kReadWrite;
    case CU_MEM_ACCESS_FLAGS_PROT_READ:
      return Access::kRead;
    default:
      return Access::kNone;
  }
}

template <class Value>
CUresult give(void* target, Value value) {
  *static_cast<Value*>(target) = value;
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult cuMemGetAllocationGranularity(size_t* granularity, const CUmemAllocationProp* properties,
                                       CUmemAllocationGranularity_flags) {
  return vmm_call(__func__, [&] {
    if (!granularity) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult checked = check(properties); checked != CUDA_SUCCESS) return checked;
    *granularity = kGranularity;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, size_t bytes,
                     const CUmemAllocationProp* properties, unsigned long long flags) {
  return vmm_call(__func__, [&] {
    if (!handle || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult checked = check(properties); checked != CUDA_SUCCESS) return checked;
    return Memory::get().create(handle, bytes, *properties);
  });
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  return vmm_call(__func__, [&] { return Memory::get().release(handle); });
}

CUresult cuMemExportToShareableHandle(void* target, CUmemGenericAllocationHandle handle,
                                      CUmemAllocationHandleType type, unsigned long long flags) {
  return vmm_call(__func__, [&] {
    if (!target || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    return Memory::get().export_fd(static_cast<int*>(target), handle);
  });
}

CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle* handle, void* shared,
                                        CUmemAllocationHandleType type) {
  return vmm_call(__func__, [&] {
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    return Memory::get().import_fd(handle, static_cast<int>(reinterpret_cast<intptr_t>(shared)));
  });
}

CUresult cuMemAddressReserve(CUdeviceptr* address, size_t bytes, size_t alignment, CUdeviceptr,
                             unsigned long long flags) {
  return vmm_call(__func__, [&] {
    if (!address || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    return Memory::get().reserve(address, bytes, alignment);
  });
}

CUresult cuMemAddressFree(CUdeviceptr address, size_t bytes) {
  return vmm_call(__func__, [&] { return Memory::get().free_reservation(address, bytes); });
}

CUresult cuMemMap(CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long flags) {
  return vmm_call(__func__, [&] {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (offset != 0) return CUDA_ERROR_NOT_SUPPORTED;
    return Memory::get().map(address, bytes, handle);
  });
}

CUresult cuMemUnmap(CUdeviceptr address, size_t bytes) {
  return vmm_call(__func__, [&] { return Memory::get().unmap(address, bytes); });
}

CUresult cuMemSetAccess(CUdeviceptr address, size_t bytes, const CUmemAccessDesc* access, size_t count) {
  return vmm_call(__func__, [&] {
    if (!access || count == 0) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count; ++i) {
      if (const CUresult checked = check(access[i]); checked != CUDA_SUCCESS) return checked;
    }
    CUresult set = CUDA_SUCCESS;
    for (size_t i = 0; i < count && set == CUDA_SUCCESS; ++i)
      set = Memory::get().set_access(address, bytes, access[i].location.id, access_of(access[i]));
    return set;
  });
}

CUresult cuMemAlloc(CUdeviceptr* address, size_t bytes) {
  return context_call(__func__, [&](Context& context) {
    if (!address || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    return Memory::get().allocate(context, address, bytes);
  });
}

// In the memory's context, whatever is current.
CUresult cuMemFree(CUdeviceptr address) {
  if (address == 0) return device_call(__func__, [] { return CUDA_SUCCESS; });
  const auto choose = [&](Context** context) {
    const auto range = Memory::get().find(address);
    if (!range || range->kind != Kind::kAllocated || range->begin != address) return CUDA_ERROR_INVALID_VALUE;
    *context = range->context;
    return CUDA_SUCCESS;
  };
  return chosen_context_call(__func__, choose, [&](Context& context) {
    context.synchronize();
    return Memory::get().free(address);
  });
}

CUresult cuIpcGetMemHandle(CUipcMemHandle* handle, CUdeviceptr address) {
  return context_call(__func__, [&](Context&) {
    return handle ? Memory::get().get_ipc_handle(address, handle) : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuIpcOpenMemHandle(CUdeviceptr* address, CUipcMemHandle handle, unsigned int flags) {
  return context_call(__func__, [&](Context& context) {
    if (!address || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE;
    return Memory::get().open_ipc_handle(context, handle, address);
  });
}

CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
  return context_call(__func__, [&](Context&) { return Memory::get().close_ipc_handle(address); });
}

CUresult cuMemHostRegister(void* address, size_t bytes, unsigned int flags) {
  return context_call(__func__, [&](Context& context) {
    constexpr unsigned kKnown =
        CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY;
    if (flags & ~kKnown) return CUDA_ERROR_INVALID_VALUE;
    const bool read_only = flags & CU_MEMHOSTREGISTER_READ_ONLY;
    if (read_only && !settings().read_only_registration) return CUDA_ERROR_NOT_SUPPORTED;
    return Memory::get().register_host(context, address, bytes, read_only);
  });
}

CUresult cuMemHostUnregister(void* address) {
  return context_call(__func__, [&](Context&) { return Memory::get().unregister_host(address); });
}

CUresult cuMemHostGetDevicePointer(CUdeviceptr* device_address, void* address, unsigned int flags) {
  return context_call(__func__, [&](Context&) {
    if (!device_address || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    const auto range = Memory::get().find(reinterpret_cast<CUdeviceptr>(address));
    if (!range || range->kind != Kind::kHost) return CUDA_ERROR_INVALID_VALUE;
    *device_address = reinterpret_cast<CUdeviceptr>(address);
    return CUDA_SUCCESS;
  });
}

CUresult cuPointerGetAttribute(void* value, CUpointer_attribute attribute, CUdeviceptr address) {
  return device_call(__func__, [&] {
    const auto range = Memory::get().find(address);
    if (!value || !range) return CUDA_ERROR_INVALID_VALUE;
    const bool is_host = range->kind == Kind::kHost;
    switch (attribute) {
      case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        return give<unsigned>(value, is_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE);
      case CU_POINTER_ATTRIBUTE_CONTEXT:
        return give<CUcontext>(value, range->context ? range->context->handle() : nullptr);
      case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        return give<int>(value, is_host ? range->context->device() : range->allocation->device());
      case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        return give<CUdeviceptr>(value, address);
      case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        return is_host ? give<CUdeviceptr>(value, address) : CUDA_ERROR_INVALID_VALUE;
      case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
        return give<unsigned>(value, range->kind == Kind::kAllocated);
      case CU_POINTER_ATTRIBUTE_BUFFER_ID:
        return give<unsigned long long>(value, range->id);
      case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
        return give<CUdeviceptr>(value, range->begin);
      case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
        return give<size_t>(value, range->bytes);
      default:
        return CUDA_ERROR_INVALID_VALUE;
    }
  });
}

}  // extern "C"

}  // namespace fake_cuda
