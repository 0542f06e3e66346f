#include "daemon/memory/host_pool.h"

#include <utility>

#include "daemon/memory/region.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Result;

HostPool::HostPool(SharedPage region, const Geometry& geometry, uint32_t slot_count, uint64_t slot_bytes)
    : region_(std::move(region)), slot_bytes_(slot_bytes) {
  for (uint32_t slot = 0; slot < slot_count; ++slot) {
    const uint64_t offset = slot * slot_bytes;
    surfaces_.push_back(
        {region_.fd(), offset, geometry.frame_bytes(), static_cast<std::byte*>(region_.data()) + offset});
  }
}

Result<PoolHandle> HostPool::export_handle() const {
  auto fd = region_.reopen_read_only();
  if (!fd) return fd.error();
  return PoolHandle{.fd = *std::move(fd)};
}

Result<std::unique_ptr<Pool>> HostPool::create(const Geometry& geometry, uint32_t slot_count) {
  auto layout = lay_out_region(geometry, slot_count);
  if (!layout) return layout.error();
  const std::string wanted = layout->wanted + " of memory";
  if (auto available = check_available(layout->region_bytes, wanted); !available) return available.error();
  auto region = SharedPage::create("framering-slots", layout->region_bytes);
  if (!region) {
    return Error{ErrorCode::kOutOfMemory, wanted + ": " + region.error().message, kNeedsMemory};
  }
  return std::unique_ptr<Pool>(new HostPool(*std::move(region), geometry, slot_count, layout->slot_bytes));
}

}  // namespace framering::daemon
