// Slots in host memory: one memfd that the source writes directly, so that surfaces and slots are the same.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "daemon/frame.h"
#include "daemon/memory/pool.h"
#include "daemon/shared_page.h"
#include "proto/result.h"

namespace framering::daemon {

class HostPool final : public Pool {
 public:
  // All slots are allocated and touched before this returns. kOutOfMemory, with the sizes, where the machine
  // or its cgroup lacks the memory; kInvalidArgument, with the range, for a slot count or a size that no ring
  // can have.
  static proto::Result<std::unique_ptr<Pool>> create(const Geometry& geometry, uint32_t slot_count);

  proto::MemoryKind kind() const override { return proto::MemoryKind::kHost; }
  uint32_t slot_count() const override { return static_cast<uint32_t>(surfaces_.size()); }
  uint64_t slot_bytes() const override { return slot_bytes_; }
  std::span<const Surface> surfaces() const override { return surfaces_; }
  size_t surface_of(uint32_t slot) const override { return slot; }
  proto::Status seal() override { return region_.seal_writes(); }
  proto::Status commit(uint32_t, const Damage&) override { return proto::Ok{}; }
  proto::Result<PoolHandle> export_handle() const override;

 private:
  HostPool(SharedPage region, const Geometry& geometry, uint32_t slot_count, uint64_t slot_bytes);

  SharedPage region_;
  uint64_t slot_bytes_;
  std::vector<Surface> surfaces_;
};

}  // namespace framering::daemon
