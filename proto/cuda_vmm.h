// Device memory by virtual memory management: what the two ends of a descriptor have to do alike.
#pragma once

#include <cstdint>
#include <utility>

#include "proto/cuda_driver.h"
#include "proto/result.h"

namespace framering::proto {

// Memory of this device that can be exported as a POSIX descriptor.
CUmemAllocationProp cuda_vmm_properties(CUdevice device);
// What such an allocation of at least `bytes` takes.
Result<uint64_t> cuda_vmm_bytes(const CudaDriver& driver, CUdevice device, uint64_t bytes);

// An allocation as this process sees it. The allocation lives at least as long.
class CudaVmmMapping {
 public:
  // `bytes` is what cuda_vmm_bytes said.
  static Result<CudaVmmMapping> map(const CudaDriver& driver, CUdevice device,
                                    CUmemGenericAllocationHandle memory, uint64_t bytes,
                                    CUmemAccess_flags access);
  CudaVmmMapping(CudaVmmMapping&& other) noexcept
      : driver_(other.driver_),
        address_(std::exchange(other.address_, 0)),
        bytes_(other.bytes_),
        mapped_(std::exchange(other.mapped_, false)) {}
  CudaVmmMapping& operator=(CudaVmmMapping&&) = delete;
  ~CudaVmmMapping();

  CUdeviceptr address() const { return address_; }

 private:
  CudaVmmMapping(const CudaDriver& driver, uint64_t bytes) : driver_(&driver), bytes_(bytes) {}

  const CudaDriver* driver_;
  CUdeviceptr address_ = 0;
  uint64_t bytes_;
  bool mapped_ = false;
};

}  // namespace framering::proto
