// How the slots of a ring lie in one region, whatever memory it is in.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/frame.h"
#include "proto/result.h"

namespace framering::daemon {

inline constexpr uint64_t kSlotAlignment = 4096;
inline constexpr uint64_t kMiB = 1 << 20;

constexpr uint64_t round_up(uint64_t bytes, uint64_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

struct RegionLayout {
  uint64_t slot_bytes = 0;  // between slots; a multiple of kSlotAlignment
  uint64_t region_bytes = 0;
  std::string wanted;  // for messages: "6 slots of 1920x1080 take 48 MiB"
};

// kInvalidArgument, with the range, for a slot count or a size that no ring can have.
proto::Result<RegionLayout> lay_out_region(const Geometry& geometry, uint32_t slot_count);

// kOutOfMemory, in a message that begins with `wanted`, where the machine or a cgroup of this process lacks
// so many bytes.
proto::Status check_available(uint64_t bytes, const std::string& wanted);
inline constexpr const char* kNeedsMemory = "use fewer slots or give the daemon more memory";

}  // namespace framering::daemon
