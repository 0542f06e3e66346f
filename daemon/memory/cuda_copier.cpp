#include "daemon/memory/cuda_copier.h"

#include <algorithm>
#include <utility>

#include "daemon/memory/pull_kernel.h"

extern const unsigned char framering_pull_kernel[];

namespace framering::daemon {

using proto::CudaDriver;
using proto::Error;
using proto::Result;
using proto::Status;

namespace {

constexpr uint32_t kBlockThreads = 256;
constexpr uint64_t kMaxBlocks = 1024;  // for one rectangle; the threads of a larger one take several units

static_assert(kMaxPullRects == proto::kMaxDamageRects);

}  // namespace

PullPlan plan_pull(const Damage& missing, const Geometry& geometry) {
  const DamageRect bounds = missing.bounds();
  uint64_t pixels = 0;
  for (const DamageRect& rect : missing) pixels += uint64_t{rect.width} * rect.height;
  const double kernel_bytes = static_cast<double>(pixels * proto::bytes_per_pixel(geometry.format));
  const double dma_bytes = static_cast<double>(uint64_t{geometry.stride()} * bounds.height);
  return {dma_bytes <= kDmaAdvantage * kernel_bytes, {bounds.y, bounds.height}};
}

Result<std::unique_ptr<CudaCopier>> CudaCopier::create(const CudaDriver& driver, const Geometry& geometry,
                                                       std::span<std::byte> mirror) {
  std::unique_ptr<CudaCopier> copier(new CudaCopier(driver, geometry, mirror));
  if (auto prepared = copier->prepare(); !prepared) return prepared.error();
  return copier;
}

Status CudaCopier::prepare() {
  if (auto registered =
          driver_.cuMemHostRegister(mirror_.data(), mirror_.size(), CU_MEMHOSTREGISTER_DEVICEMAP);
      !registered) {
    return Error{registered.error().code, registered.error().message, "use memory = host"};
  }
  registration_ = {driver_.cuMemHostUnregister, mirror_.data()};
  if (auto got = driver_.cuMemHostGetDevicePointer(&mirror_on_device_, mirror_.data(), 0); !got) return got;

  CUstream stream = nullptr;
  if (auto created = driver_.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING); !created) return created;
  stream_ = {driver_.cuStreamDestroy, stream};
  CUmodule module = nullptr;
  if (auto loaded = driver_.cuModuleLoadData(&module, framering_pull_kernel); !loaded) return loaded;
  module_ = {driver_.cuModuleUnload, module};
  return driver_.cuModuleGetFunction(&pull_, module, "framering_pull");
}

Status CudaCopier::copy(CUdeviceptr slot, const Damage& missing) {
  if (missing.empty()) return proto::Ok{};
  const PullPlan plan = plan_pull(missing, geometry_);
  const uint64_t offset = uint64_t{plan.band.first} * geometry_.stride();
  const uint64_t bytes = uint64_t{plan.band.count} * geometry_.stride();
  // One copy: mirror and slot have the same stride.
  Status begun = plan.use_dma
                     ? driver_.cuMemcpyHtoDAsync(slot + offset, mirror_.data() + offset, bytes, stream_.get())
                     : launch(slot, missing);
  if (!begun) return begun;
  return driver_.cuStreamSynchronize(stream_.get());
}

Status CudaCopier::launch(CUdeviceptr slot, const Damage& missing) {
  PullArguments arguments{};
  // NOLINTBEGIN(performance-no-int-to-ptr): addresses of the device
  arguments.source = reinterpret_cast<const uint8_t*>(mirror_on_device_);
  arguments.target = reinterpret_cast<uint8_t*>(slot);
  // NOLINTEND(performance-no-int-to-ptr)
  arguments.stride = geometry_.stride();
  arguments.bytes_per_pixel = proto::bytes_per_pixel(geometry_.format);
  uint64_t most_units = 0;
  for (const DamageRect& rect : missing) {
    PullRect& pulled = arguments.rects[arguments.rect_count++];
    pulled = {rect.x, rect.y, rect.width, rect.height};
    most_units = std::max(most_units, uint64_t{pull_units_per_row(arguments, pulled)} * rect.height);
  }
  const uint64_t blocks = std::min((most_units + kBlockThreads - 1) / kBlockThreads, kMaxBlocks);
  void* parameters[] = {&arguments};
  return driver_.cuLaunchKernel(pull_, static_cast<unsigned>(blocks), arguments.rect_count, 1, kBlockThreads,
                                1, 1, 0, stream_.get(), parameters, nullptr);
}

bool CudaCopier::is_lost() const {
  const CUresult result = driver_.cuStreamQuery.raw(stream_.get());
  return result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY;
}

Status CudaCopier::zero(CUdeviceptr address, uint64_t bytes) {
  if (auto begun = driver_.cuMemsetD8Async(address, 0, bytes, stream_.get()); !begun) return begun;
  return driver_.cuStreamSynchronize(stream_.get());
}

}  // namespace framering::daemon
