#include "daemon/memory/cuda_pool.h"
#include "daemon/memory/host_pool.h"
#include "tests/conformance/pool_cases.h"
#include "tests/support/gpu_process.h"

namespace framering::testing {

namespace {

PoolCase on_first_device(const std::string& name, proto::MemoryKind kind) {
  return {name,
          [kind](const auto& geometry, uint32_t slot_count) -> proto::Result<std::unique_ptr<daemon::Pool>> {
            const auto place = daemon::find_cuda_place(kind, "");
            if (!place) return place.error();
            return daemon::create_cuda_pool(*place, geometry, slot_count);
          },
          need_gpu};
}

}  // namespace

std::vector<PoolCase> pool_cases() {
  return {{"host", daemon::HostPool::create},
          on_first_device("cuda", proto::MemoryKind::kCuda),
          on_first_device("cuda_ipc", proto::MemoryKind::kCudaIpc)};
}

}  // namespace framering::testing
