#include "daemon/memory/cuda_pool.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;

namespace {

Error built_without() {
  return Error{ErrorCode::kMemoryUnavailable, "this frameringd was built without CUDA",
               "build it where the CUDA toolkit is (nvcc, cuda.h), or use memory = host"};
}

}  // namespace

proto::Result<CudaPlace> find_cuda_place(proto::MemoryKind, const std::string&) {
  return built_without();
}

proto::Result<std::unique_ptr<Pool>> create_cuda_pool(const CudaPlace&, const Geometry&, uint32_t) {
  return built_without();
}

bool cuda_device_lost() {
  return false;
}

}  // namespace framering::daemon
