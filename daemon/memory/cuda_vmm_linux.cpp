#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "daemon/memory/cuda_allocation.h"
#include "proto/cuda_vmm.h"

namespace framering::daemon {

using proto::CudaDevice;
using proto::CudaDriver;
using proto::CudaOwned;
using proto::CudaVmmMapping;
using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

using Memory = CudaOwned<CUmemGenericAllocationHandle>;

class VmmAllocation final : public CudaAllocation {
 public:
  VmmAllocation(const CudaDriver& driver, Memory memory, CudaVmmMapping mapping)
      : driver_(driver), memory_(std::move(memory)), mapping_(std::move(mapping)) {}

  CUdeviceptr address() const override { return mapping_.address(); }
  Result<PoolHandle> export_handle() const override;

 private:
  const CudaDriver& driver_;
  Memory memory_;
  CudaVmmMapping mapping_;
};

Result<PoolHandle> VmmAllocation::export_handle() const {
  int number = -1;
  if (auto exported = driver_.cuMemExportToShareableHandle(&number, memory_.get(),
                                                           CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
      !exported) {
    return exported.error();
  }
  PoolHandle handle{.fd = proto::UniqueFd(number)};
  if (fcntl(number, F_SETFD, FD_CLOEXEC) != 0) {
    return proto::errno_error(ErrorCode::kInternal, "cannot keep a descriptor of device memory", errno);
  }
  return handle;
}

}  // namespace

Status check_vmm(const CudaDriver& driver, const CudaDevice& device) {
  for (const CUdevice_attribute attribute :
       {CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
        CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED}) {
    int supported = 0;
    if (auto got = driver.cuDeviceGetAttribute(&supported, attribute, device.handle); !got) return got;
    if (supported) continue;
    return Error{ErrorCode::kMemoryUnavailable,
                 device_text(device) + " has no virtual memory management (VMM) that processes can share",
                 "use memory = cuda-ipc"};
  }
  return Ok{};
}

Result<std::unique_ptr<CudaAllocation>> allocate_vmm(const CudaDriver& driver, const CudaDevice& device,
                                                     uint64_t bytes) {
  const auto whole = proto::cuda_vmm_bytes(driver, device.handle, bytes);
  if (!whole) return whole.error();
  const CUmemAllocationProp properties = proto::cuda_vmm_properties(device.handle);
  CUmemGenericAllocationHandle created = 0;
  if (auto done = driver.cuMemCreate(&created, *whole, &properties, 0); !done) return done.error();
  Memory memory(driver.cuMemRelease, created);
  auto mapping =
      CudaVmmMapping::map(driver, device.handle, created, *whole, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  if (!mapping) return mapping.error();
  return std::unique_ptr<CudaAllocation>(
      std::make_unique<VmmAllocation>(driver, std::move(memory), *std::move(mapping)));
}

}  // namespace framering::daemon
