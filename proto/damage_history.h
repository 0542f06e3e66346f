// The damage of the last frames, for a reader that skipped some: kept in the control page, written by the
// daemon before a frame is published, and read without a lease.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "proto/lease.h"
#include "proto/shm_layout.h"

namespace framering::proto {

// Daemon. At most kMaxHistoryRects rectangles.
inline void write_damage(ControlPage& control, uint64_t sequence, std::span<const DamageRect> rects) {
  DamageRecord& record = control.damage_history[sequence % kDamageHistory];
  record.sequence.store(0, std::memory_order_relaxed);
  fence(std::memory_order_release);  // nothing of the new record rises above the mark
  record.count.store(static_cast<uint32_t>(rects.size()), std::memory_order_relaxed);
  for (size_t i = 0; i < rects.size(); ++i) record.rects[i].store(rects[i].pack(), std::memory_order_relaxed);
  record.sequence.store(sequence, std::memory_order_release);
}

// Reader. Appends what frame `sequence` changed. False where the history does not reach back to it.
inline bool read_damage(const ControlPage& control, uint64_t sequence, std::vector<DamageRect>& rects) {
  const DamageRecord& record = control.damage_history[sequence % kDamageHistory];
  if (sequence == 0 || record.sequence.load(std::memory_order_acquire) != sequence) return false;
  const uint32_t count = record.count.load(std::memory_order_relaxed);
  if (count > kMaxHistoryRects) return false;
  for (uint32_t i = 0; i < count; ++i) {
    rects.push_back(DamageRect::unpack(record.rects[i].load(std::memory_order_relaxed)));
  }
  fence(std::memory_order_acquire);
  return record.sequence.load(std::memory_order_relaxed) == sequence;
}

}  // namespace framering::proto
