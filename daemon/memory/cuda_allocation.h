// Device memory that other processes can map: what tells the kinds cuda and cuda-ipc apart. Made, exported
// and destroyed with the device's context current.
#pragma once

#include <cstdint>
#include <memory>

#include "daemon/memory/pool.h"
#include "proto/cuda_driver.h"
#include "proto/message.h"
#include "proto/result.h"

namespace framering::daemon {

class CudaAllocation {
 public:
  virtual ~CudaAllocation() = default;
  virtual CUdeviceptr address() const = 0;
  // Without the device's UUID.
  virtual proto::Result<PoolHandle> export_handle() const = 0;
};

// kMemoryUnavailable, with the other kind as the hint, where the device has no virtual memory management that
// can be shared.
proto::Status check_vmm(const proto::CudaDriver& driver, const proto::CudaDevice& device);

// At least `bytes`, not zeroed. A POSIX descriptor to each client, which chooses its own access: kCuda.
proto::Result<std::unique_ptr<CudaAllocation>> allocate_vmm(const proto::CudaDriver& driver,
                                                            const proto::CudaDevice& device, uint64_t bytes);
// One handle of 64 bytes for all, which map it writable: kCudaIpc. It outlives its importers.
proto::Result<std::unique_ptr<CudaAllocation>> allocate_ipc(const proto::CudaDriver& driver, uint64_t bytes);

}  // namespace framering::daemon
