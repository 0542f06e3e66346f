#include "daemon/memory/cuda_pool.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "daemon/memory/cuda_allocation.h"
#include "daemon/memory/cuda_copier.h"
#include "daemon/memory/region.h"
#include "daemon/shared_page.h"
#include "proto/cuda_driver.h"

namespace framering::daemon {

using proto::CudaContext;
using proto::CudaCurrent;
using proto::CudaDevice;
using proto::CudaDriver;
using proto::Error;
using proto::ErrorCode;
using proto::MemoryKind;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

bool contains(const DamageRect& outer, const DamageRect& inner) {
  return outer.x <= inner.x && outer.y <= inner.y && outer.x + outer.width >= inner.x + inner.width &&
         outer.y + outer.height >= inner.y + inner.height;
}

// What changes again and again in one place is missing there once.
void add_missing(Damage& missing, const DamageRect& rect) {
  const auto covers = [&](const DamageRect& known) { return contains(known, rect); };
  if (std::any_of(missing.begin(), missing.end(), covers)) return;
  if (contains(rect, missing.bounds())) missing.clear();
  missing.add(rect);
}

std::atomic<bool> device_lost{false};

class CudaPool final : public Pool {
 public:
  CudaPool(const CudaDriver& driver, CudaDevice device, CudaContext context, MemoryKind kind,
           const Geometry& geometry, uint64_t slot_bytes, uint32_t slot_count, SharedPage mirror);
  ~CudaPool() override;

  Status make_slots(const RegionLayout& layout);

  MemoryKind kind() const override { return kind_; }
  uint32_t slot_count() const override { return static_cast<uint32_t>(missing_.size()); }
  uint64_t slot_bytes() const override { return slot_bytes_; }
  std::span<const Surface> surfaces() const override { return {&surface_, 1}; }
  size_t surface_of(uint32_t) const override { return 0; }
  Status seal() override { return mirror_.seal_writes(); }
  Status commit(uint32_t slot, const Damage& damage) override;
  Result<PoolHandle> export_handle() const override;

 private:
  Status allocate(uint64_t bytes);

  const CudaDriver& driver_;
  const CudaDevice device_;
  const MemoryKind kind_;
  const Geometry geometry_;
  const uint64_t slot_bytes_;
  SharedPage mirror_;
  const Surface surface_;
  std::vector<Damage> missing_;  // of each slot, since it was last written
  const CudaContext context_;
  std::unique_ptr<CudaAllocation> slots_;
  std::unique_ptr<CudaCopier> copier_;
};

CudaPool::CudaPool(const CudaDriver& driver, CudaDevice device, CudaContext context, MemoryKind kind,
                   const Geometry& geometry, uint64_t slot_bytes, uint32_t slot_count, SharedPage mirror)
    : driver_(driver),
      device_(std::move(device)),
      kind_(kind),
      geometry_(geometry),
      slot_bytes_(slot_bytes),
      mirror_(std::move(mirror)),
      surface_{mirror_.fd(), 0, geometry.frame_bytes(), static_cast<std::byte*>(mirror_.data())},
      missing_(slot_count),
      context_(std::move(context)) {
  for (Damage& missing : missing_) missing.set_full(geometry);
}

CudaPool::~CudaPool() {
  const CudaCurrent current(driver_, context_.get());
  driver_.cuCtxSynchronize.raw();  // a copy that was begun, and not waited for after an error
  copier_.reset();
  slots_.reset();
}

Status CudaPool::make_slots(const RegionLayout& layout) {
  auto made = allocate(layout.region_bytes);
  if (made) return made;
  if (made.error().code != ErrorCode::kOutOfMemory) return on_device(made.error(), device_);
  return Error{ErrorCode::kOutOfMemory,
               layout.wanted + " of the memory of " + device_text(device_) + ": " + made.error().message,
               "use fewer slots, another device or memory = host"};
}

Status CudaPool::allocate(uint64_t bytes) {
  const CudaCurrent current(driver_, context_.get());
  auto copier = CudaCopier::create(driver_, geometry_, {surface_.data, slot_bytes_});
  if (!copier) return copier.error();
  auto slots =
      kind_ == MemoryKind::kCuda ? allocate_vmm(driver_, device_, bytes) : allocate_ipc(driver_, bytes);
  if (!slots) return slots.error();
  copier_ = *std::move(copier);
  slots_ = *std::move(slots);
  return copier_->zero(slots_->address(), bytes);
}

Status CudaPool::commit(uint32_t slot, const Damage& damage) {
  for (Damage& missing : missing_) {
    for (const DamageRect& rect : damage) add_missing(missing, rect);
  }
  const CudaCurrent current(driver_, context_.get());
  if (auto copied = copier_->copy(slots_->address() + slot * slot_bytes_, missing_[slot]); !copied) {
    if (copier_->is_lost()) device_lost = true;
    return on_device(copied.error(), device_);
  }
  missing_[slot].clear();
  return Ok{};
}

Result<PoolHandle> CudaPool::export_handle() const {
  const CudaCurrent current(driver_, context_.get());
  auto handle = slots_->export_handle();
  if (!handle) return on_device(handle.error(), device_);
  handle->device_uuid = device_.uuid;
  return handle;
}

}  // namespace

Result<CudaPlace> find_cuda_place(MemoryKind kind, const std::string& which) {
  const auto driver = CudaDriver::load();
  if (!driver) return driver.error();
  const auto device = find_cuda_device(**driver, which);
  if (!device) return device.error();
  if (kind == MemoryKind::kCuda) {
    if (auto checked = check_vmm(**driver, *device); !checked) return checked.error();
  }
  return CudaPlace{kind, device->uuid, device_text(*device)};
}

Result<std::unique_ptr<Pool>> create_cuda_pool(const CudaPlace& place, const Geometry& geometry,
                                               uint32_t slot_count) {
  auto layout = lay_out_region(geometry, slot_count);
  if (!layout) return layout.error();
  const auto driver = CudaDriver::load();
  if (!driver) return driver.error();
  const auto device = find_cuda_device(**driver, place.uuid);
  if (!device) return device.error();
  const uint64_t mirror_bytes = layout->slot_bytes;
  const std::string wanted = "the mirror of " + std::to_string(geometry.width) + "x" +
                             std::to_string(geometry.height) + " pixels takes " +
                             std::to_string(round_up(mirror_bytes, kMiB) / kMiB) + " MiB of host memory";
  if (auto available = check_available(mirror_bytes, wanted); !available) return available.error();
  auto mirror = SharedPage::create("framering-mirror", mirror_bytes);
  if (!mirror) return Error{ErrorCode::kOutOfMemory, wanted + ": " + mirror.error().message, kNeedsMemory};
  auto context = CudaContext::retain(**driver, device->handle);
  if (!context) return on_device(context.error(), *device);
  auto pool = std::make_unique<CudaPool>(**driver, *device, *std::move(context), place.kind, geometry,
                                         layout->slot_bytes, slot_count, *std::move(mirror));
  if (auto made = pool->make_slots(*layout); !made) return made.error();
  return std::unique_ptr<Pool>(std::move(pool));
}

bool cuda_device_lost() {
  return device_lost;
}

}  // namespace framering::daemon
