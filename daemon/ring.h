// One epoch's slots: which one to overwrite, and how a finished one becomes the newest frame. Owns the
// control page. The pump's thread alone calls what changes it; it never waits for a client and never
// allocates.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "daemon/cursor.h"
#include "daemon/frame.h"
#include "daemon/reader.h"
#include "daemon/shared_page.h"
#include "proto/result.h"
#include "proto/shm_layout.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

struct RingOptions {
  Geometry geometry;
  uint64_t epoch = 1;
  uint32_t slot_count = proto::kDefaultSlots;
  uint64_t slot_bytes = 0;
  uint64_t next_sequence = 1;  // sequences grow across the epochs of a stream
  uint32_t cursor_shapes = 0;  // kCursorShapes for a source that has a pointer
  uint64_t lease_ns = uint64_t{proto::kDefaultLeaseMs} * 1'000'000;
  uint64_t (*clock)() = now_ns;  // CLOCK_MONOTONIC
};

// How many slots one client may hold for sure, so that the newest frame, the next one and a reader of either
// have theirs.
constexpr uint32_t max_leases_of_client(uint32_t slot_count) {
  return std::max(proto::kDefaultLeases, slot_count - 3);
}

class Ring {
 public:
  static proto::Result<std::unique_ptr<Ring>> create(const RingOptions& options);

  // Takes the slot with the oldest frame that is neither the newest nor leased; where all are leased, the one
  // whose leases are the oldest and all beyond the guarantee, breaking them; where there is none either, the
  // oldest frame that only clients beyond max_leases_of_client() hold. None: every slot is within its
  // guarantee.
  std::optional<uint32_t> begin_write(const ReaderList& readers, uint64_t now);
  // The slot becomes the newest frame. Returns its sequence.
  uint64_t publish(uint32_t slot, const CaptureInfo& capture, uint64_t now);
  // The slot holds no frame; its old one is lost.
  void abandon(uint32_t slot);
  // Counts a frame that found no slot against the readers that hold one.
  void count_drop(const ReaderList& readers);

  // No frame is to be read now: what the ring holds may no longer show the source.
  void retract();
  // The newest frame shows the source up to this moment.
  void confirm(uint64_t until_ns);
  // Whether the newest frame shows what the source shows now, or what it last showed.
  void set_stale(bool stale);
  void set_desktop_state(uint32_t bits);  // kDesktop...
  void set_position(proto::DesktopPoint position);
  // The pointer as it is now, in the page and in the frames that are published from here on; nothing: it is
  // not known. True if that is another one. Without shapes it is never known.
  bool set_cursor(const std::optional<Cursor>& cursor);
  void end(std::string_view reason);
  void supersede();

  uint64_t confirmed_ns() const { return confirmed_ns_; }

  const RingOptions& options() const { return options_; }
  const proto::ControlPage* control() const { return control_; }
  uint64_t next_sequence() const { return next_sequence_; }
  size_t control_bytes() const { return proto::control_bytes(options_.slot_count, options_.cursor_shapes); }

  // Any thread. A read-only descriptor of the control page for one client.
  proto::Result<proto::UniqueFd> export_control() const { return page_.reopen_read_only(); }

 private:
  static constexpr uint64_t kFree = 0;
  // When the youngest lease on each slot was first seen; kFree where there is none (the clock never reads 0).
  using LeaseTimes = std::array<uint64_t, proto::kMaxSlots>;

  Ring() = default;
  void keep_damage(uint64_t sequence, const Damage& damage);
  LeaseTimes scan(const ReaderList& readers, uint64_t now) const;
  bool claim_free(uint32_t slot, const ReaderList& readers, uint64_t now);
  // Breaks the leases on the slot if `may_break()` still holds once the slot is marked.
  template <class MayBreak>
  bool claim_leased(uint32_t slot, const ReaderList& readers, MayBreak&& may_break);
  std::optional<uint32_t> claim_expired(const ReaderList& readers, uint64_t now, const LeaseTimes& youngest);
  std::optional<uint32_t> claim_beyond_share(const ReaderList& readers);
  // A bit for each slot but the newest that only clients with more than their share hold.
  uint64_t held_beyond_share(const ReaderList& readers) const;
  // The slots that are not the newest, the oldest frame first; returns how many.
  uint32_t oldest_first(std::array<uint32_t, proto::kMaxSlots>& order) const;

  RingOptions options_;
  SharedPage page_;
  proto::ControlPage* control_ = nullptr;
  proto::SlotHeader* slots_ = nullptr;
  uint64_t next_sequence_ = 1;
  std::optional<uint32_t> newest_;
  uint64_t confirmed_ns_ = 0;
  uint64_t cursor_ = 0;  // CursorRef
  // The serials in the shapes, as this ring wrote them, and the entry that the next one goes to.
  std::array<uint32_t, proto::kCursorShapes> shapes_{};
  size_t next_shape_ = 0;
  // The sequence in each slot (0: no frame), as this ring published it: nothing is read back from shared
  // memory.
  std::array<uint64_t, proto::kMaxSlots> held_{};
};

}  // namespace framering::daemon
