// What a source and a pool share, and all that they know of each other.
#pragma once

#include <cstddef>
#include <cstdint>

namespace framering::daemon {

// Memory that a source may write: `bytes` at `offset` of `fd`, mapped at `data` in this process; rows are
// Geometry::stride() apart. The surfaces of one pool share one fd.
struct Surface {
  int fd = -1;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::byte* data = nullptr;
};

}  // namespace framering::daemon
