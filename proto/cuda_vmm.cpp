#include "proto/cuda_vmm.h"

namespace framering::proto {

CUmemAllocationProp cuda_vmm_properties(CUdevice device) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = device;
  return properties;
}

Result<uint64_t> cuda_vmm_bytes(const CudaDriver& driver, CUdevice device, uint64_t bytes) {
  const CUmemAllocationProp properties = cuda_vmm_properties(device);
  size_t granularity = 0;
  if (auto got =
          driver.cuMemGetAllocationGranularity(&granularity, &properties, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
      !got) {
    return got.error();
  }
  return (bytes + granularity - 1) / granularity * granularity;
}

Result<CudaVmmMapping> CudaVmmMapping::map(const CudaDriver& driver, CUdevice device,
                                           CUmemGenericAllocationHandle memory, uint64_t bytes,
                                           CUmemAccess_flags access) {
  CudaVmmMapping mapping(driver, bytes);
  if (auto reserved = driver.cuMemAddressReserve(&mapping.address_, bytes, 0, 0, 0); !reserved) {
    return reserved.error();
  }
  if (auto mapped = driver.cuMemMap(mapping.address_, bytes, 0, memory, 0); !mapped) return mapped.error();
  mapping.mapped_ = true;
  const CUmemAccessDesc grant{cuda_vmm_properties(device).location, access};
  if (auto set = driver.cuMemSetAccess(mapping.address_, bytes, &grant, 1); !set) return set.error();
  return mapping;
}

CudaVmmMapping::~CudaVmmMapping() {
  if (mapped_) driver_->cuMemUnmap.raw(address_, bytes_);
  if (address_ != 0) driver_->cuMemAddressFree.raw(address_, bytes_);
}

}  // namespace framering::proto
