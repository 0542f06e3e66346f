// The lease protocol: how a reader keeps a slot while it reads, and how the daemon takes one to overwrite.
// The daemon, the client library and the tests all use this header and nothing else touches these words.
//
//   reader: store the lease word      then re-load the slot's sequence
//   daemon: mark the slot's sequence  then load the lease words
//
// With every one of the four seq_cst, at least one side sees the other (Dekker): either the reader finds the
// mark and backs off, or the daemon finds the lease and gives the slot back. tests/model/lease.pml checks it;
// tests/stress/lease_stress_test shows that it fails when a side loses its order.
//
// A slot's sequence word goes   s -> s|tentative -> s            (leased after all: given back)
//                          or   s -> s|tentative -> overwritten -> new s
// Pixels are written only after `overwritten`, so a reader that still sees s or s|tentative has read an
// intact frame.
#pragma once

#include <atomic>
#include <cstdint>

#include "proto/shm_layout.h"

namespace framering::proto {

struct StrictOrder {
  static constexpr auto kReaderStore = std::memory_order_seq_cst;
  static constexpr auto kReaderCheck = std::memory_order_seq_cst;
  static constexpr auto kDaemonMark = std::memory_order_seq_cst;
  static constexpr auto kDaemonScan = std::memory_order_seq_cst;
};

enum class Acquire {
  kLeased,
  kMarked,  // the daemon is deciding about this slot: look again
  kGone,    // the slot holds another frame by now
};

// Reader. On kLeased the frame's metadata and pixels may be read until release() or until still_valid() turns
// false; otherwise the lease word is free again. `lease` is a word that this thread alone uses.
template <class Order = StrictOrder>
inline Acquire acquire(const SlotHeader& slot, std::atomic<uint64_t>& lease, FrameRef frame) {
  lease.store(frame.pack(), Order::kReaderStore);
  const uint64_t sequence = slot.sequence.load(Order::kReaderCheck);
  if (sequence == frame.sequence) return Acquire::kLeased;
  lease.store(0, std::memory_order_release);
  return sequence == (frame.sequence | kSlotTentative) ? Acquire::kMarked : Acquire::kGone;
}

// ThreadSanitizer does not model fences; it sees the orders of the atomics alone.
inline void fence([[maybe_unused]] std::memory_order order) {
#if !defined(__SANITIZE_THREAD__)
  std::atomic_thread_fence(order);
#endif
}

// Reader. True if everything read from the slot before this call was the frame; false once the lease was
// broken.
inline bool still_valid(const SlotHeader& slot, uint64_t sequence) {
  fence(std::memory_order_acquire);  // the loads of the pixels must not sink below the check
  return (slot.sequence.load(std::memory_order_seq_cst) & ~kSlotTentative) == sequence;
}

inline void release(std::atomic<uint64_t>& lease) {
  lease.store(0, std::memory_order_release);
}

// Reader. The oldest frame that is not older than `sequence`, or none. A slot that the daemon is deciding
// about counts: acquire() then says kMarked or kGone.
inline FrameRef oldest_since(const ControlPage* control, uint32_t slot_count, uint64_t sequence) {
  FrameRef best;
  for (uint32_t i = 0; i < slot_count; ++i) {
    const uint64_t word = slot_headers(control)[i].sequence.load(std::memory_order_acquire) & ~kSlotTentative;
    if (word & kSlotOverwritten || word < sequence || word == 0) continue;
    if (!best || word < best.sequence) best = {word, i};
  }
  return best;
}

// The newest frame (none: no frame to read now), and the moment up to which the source is known to show it.
struct Newest {
  FrameRef frame;
  uint64_t confirmed_ns = 0;
};

// Reader. `confirmed_ns` holds for this frame: it is loaded first and stored last, and a moment that an older
// frame was confirmed for is older than the request for the next one.
inline Newest newest(const ControlPage& control) {
  const uint64_t confirmed_ns = control.confirmed_ns.load(std::memory_order_acquire);
  return {FrameRef::unpack(control.latest.load(std::memory_order_seq_cst)), confirmed_ns};
}

// Daemon. The slot of this frame carries its sequence already.
inline void set_newest(ControlPage& control, const Newest& newest) {
  control.latest.store(newest.frame.pack(), std::memory_order_seq_cst);
  control.confirmed_ns.store(newest.confirmed_ns, std::memory_order_release);
}

// Daemon. Takes the slot whatever the lease words say; a holder finds still_valid() false.
inline void break_leases(SlotHeader& slot) {
  slot.sequence.store(kSlotOverwritten, std::memory_order_seq_cst);
  fence(std::memory_order_seq_cst);  // no store to the pixels may rise above the mark
}

// Daemon. Marks the slot; `leased()` must then load every reader's lease words with Order::kDaemonScan and
// say whether one names `sequence` in this slot. True: the slot is the caller's to overwrite. False: it was
// given back as it was.
template <class Order = StrictOrder, class Scan>
inline bool try_claim(SlotHeader& slot, uint64_t sequence, Scan&& leased) {
  slot.sequence.store(sequence | kSlotTentative, Order::kDaemonMark);
  if (leased()) {
    slot.sequence.store(sequence, std::memory_order_release);
    return false;
  }
  break_leases(slot);
  return true;
}

}  // namespace framering::proto
