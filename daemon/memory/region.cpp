#include "daemon/memory/region.h"

#include "daemon/memory/available_memory.h"
#include "proto/limits.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::kMaxRegionBytes;
using proto::kMaxSlots;
using proto::kMinSlots;

proto::Result<RegionLayout> lay_out_region(const Geometry& geometry, uint32_t slot_count) {
  if (auto checked = check_geometry(geometry); !checked) return checked.error();
  if (slot_count < kMinSlots || slot_count > kMaxSlots) {
    return Error{ErrorCode::kInvalidArgument,
                 std::to_string(slot_count) + " slots are out of range: a ring has " +
                     std::to_string(kMinSlots) + " to " + std::to_string(kMaxSlots),
                 {}};
  }
  // No overflow: with both checked, a region stays below 2^40 bytes.
  RegionLayout layout;
  layout.slot_bytes = round_up(geometry.frame_bytes(), kSlotAlignment);
  layout.region_bytes = layout.slot_bytes * slot_count;
  layout.wanted = std::to_string(slot_count) + " slots of " + std::to_string(geometry.width) + "x" +
                  std::to_string(geometry.height) + " take " +
                  std::to_string(round_up(layout.region_bytes, kMiB) / kMiB) + " MiB";
  if (layout.region_bytes > kMaxRegionBytes) {
    return Error{
        ErrorCode::kInvalidArgument,
        layout.wanted + ", but a ring has at most " + std::to_string(kMaxRegionBytes / kMiB) + " MiB",
        "use fewer slots"};
  }
  return layout;
}

proto::Status check_available(uint64_t bytes, const std::string& wanted) {
  // The kernel would grant more than there is, and kill a process later.
  const uint64_t available = available_memory_bytes();
  if (bytes <= available) return proto::Ok{};
  return Error{ErrorCode::kOutOfMemory,
               wanted + ", but only " + std::to_string(available / kMiB) + " MiB are available",
               kNeedsMemory};
}

}  // namespace framering::daemon
