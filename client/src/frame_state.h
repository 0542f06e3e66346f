// What a Frame holds: its lease, and the metadata as it was read under the lease.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "client/src/epoch_mapping.h"
#include "framering/types.h"
#include "proto/shm_layout.h"

namespace framering::internal {

struct FrameState {
  FrameState(std::shared_ptr<EpochMapping> epoch, uint32_t lease, proto::FrameRef frame)
      : mapping(std::move(epoch)), lease_index(lease), ref(frame) {}
  ~FrameState();
  FrameState(const FrameState&) = delete;
  FrameState& operator=(const FrameState&) = delete;

  uint64_t offset() const { return ref.slot * mapping->info().slot_bytes; }  // in the pixel region
  bool valid() const;
  std::vector<Rect> damage_since(uint64_t sequence) const;
  // Hands the lease over to the stream, which gives it back.
  proto::Status release_after(void* stream);
  // Whatever gives the lease back waits for what is on the stream by now.
  proto::Status hold_until(void* stream);

  std::shared_ptr<EpochMapping> mapping;
  std::optional<uint32_t> lease_index;  // none once it is handed over
  proto::FrameRef ref;
  uint64_t capture_ns = 0;
  uint64_t capture_done_ns = 0;
  uint64_t published_ns = 0;
  uint64_t confirmed_ns = 0;
  proto::DesktopPoint position;
  std::vector<Rect> damage;
  std::optional<Cursor> cursor;
  std::vector<std::unique_ptr<StreamMark>> marks;  // of hold_until()

 private:
  proto::Status check_owner() const;
};

}  // namespace framering::internal
