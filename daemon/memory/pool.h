// Where frames live: slot_count slots of equal size in one region that clients map. A pool offers surfaces to
// a source and knows nothing else of it. A host pool's surfaces are its slots; a pool of device memory offers
// staging surfaces and moves the damage in commit().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daemon/frame.h"
#include "daemon/surface.h"
#include "proto/cuda_uuid.h"
#include "proto/message.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

// What one client needs to map the region: a descriptor or, where the kind of memory has none, its handle.
struct PoolHandle {
  proto::UniqueFd fd{};
  std::vector<std::byte> handle{};
  std::optional<proto::CudaUuid> device_uuid{};  // of device memory
};

class Pool {
 public:
  virtual ~Pool() = default;

  virtual proto::MemoryKind kind() const = 0;
  virtual uint32_t slot_count() const = 0;
  virtual uint64_t slot_bytes() const = 0;  // distance between slots

  // Constant while the pool lives.
  virtual std::span<const Surface> surfaces() const = 0;
  // The surface that a source must write for this slot.
  virtual size_t surface_of(uint32_t slot) const = 0;

  // After the source has bound the surfaces: from here on nobody can make a new writable mapping.
  virtual proto::Status seal() = 0;

  // Pump thread. Completes the slot from its surface; afterwards the slot holds every pixel of the frame.
  virtual proto::Status commit(uint32_t slot, const Damage& damage) = 0;

  // Any thread. A handle for one client. Whoever holds that of host memory can map it but not write through
  // it; a client that holds one of device memory is trusted to map it read-only.
  virtual proto::Result<PoolHandle> export_handle() const = 0;
};

}  // namespace framering::daemon
