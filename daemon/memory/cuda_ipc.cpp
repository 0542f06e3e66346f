#include <cstring>
#include <utility>

#include "daemon/memory/cuda_allocation.h"
#include "daemon/memory/region.h"

namespace framering::daemon {

using proto::CudaDriver;
using proto::CudaOwned;
using proto::Result;

namespace {

// Smaller allocations share a block of this size, and a handle gives the whole block away.
constexpr uint64_t kBlockBytes = 2 << 20;

class IpcAllocation final : public CudaAllocation {
 public:
  IpcAllocation(CudaOwned<CUdeviceptr> memory, const CUipcMemHandle& name)
      : memory_(std::move(memory)), name_(name) {}

  CUdeviceptr address() const override { return memory_.get(); }
  Result<PoolHandle> export_handle() const override {
    PoolHandle handle;
    handle.handle.resize(sizeof name_);
    std::memcpy(handle.handle.data(), &name_, sizeof name_);
    return handle;
  }

 private:
  CudaOwned<CUdeviceptr> memory_;
  CUipcMemHandle name_;
};
static_assert(sizeof(CUipcMemHandle) == proto::kCudaIpcHandleBytes);

}  // namespace

Result<std::unique_ptr<CudaAllocation>> allocate_ipc(const CudaDriver& driver, uint64_t bytes) {
  CUdeviceptr address = 0;
  if (auto made = driver.cuMemAlloc(&address, round_up(bytes, kBlockBytes)); !made) return made.error();
  CudaOwned<CUdeviceptr> memory(driver.cuMemFree, address);
  CUipcMemHandle name;
  if (auto named = driver.cuIpcGetMemHandle(&name, address); !named) return named.error();
  return std::unique_ptr<CudaAllocation>(std::make_unique<IpcAllocation>(std::move(memory), name));
}

}  // namespace framering::daemon
