// The memory that daemon and clients share for one epoch of a stream. Three regions, each an fd of its own:
//   pixel region  all slots, slot k at k * slot_bytes           daemon writes, clients read
//   control page  ControlPage, then slot_count SlotHeaders and
//                 cursor_shapes CursorShapes                    daemon writes, clients read
//   lease page    LeasePage, one for each attached client       client writes; every word is a claim to the
//   daemon
// Everything that changes while mapped is a lock-free atomic, so a racing read yields an old or a new value,
// never a torn one. Any change of an offset or a meaning raises kLayoutVersion; tests/golden holds the bytes
// of each version.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "proto/limits.h"

namespace framering::proto {

inline constexpr uint32_t kControlMagic = 0x43475246;  // "FRGC"
inline constexpr uint32_t kLeaseMagic = 0x4c475246;    // "FRGL"
inline constexpr uint16_t kLayoutVersion = 1;

// Wire values: append only.
enum class StreamState : uint32_t {
  kLive = 1,
  kStale = 2,       // the newest frame is no longer known to show the source (window minimised)
  kEnded = 3,       // no further frame in this epoch: end_text says why; reopening is the client's decision
  kSuperseded = 4,  // a newer epoch exists (resize): open the stream again
};

// Bits of ControlPage::desktop: why nobody sees or uses the desktop now. Append only.
inline constexpr uint32_t kDesktopBlanked = 1 << 0;  // its screens are dark: screen saver, DPMS
inline constexpr uint32_t kDesktopLocked = 1 << 1;   // a password is asked for
// The seat shows another session, or it is not known yet whether it does.
inline constexpr uint32_t kDesktopAway = 1 << 2;

// A frame's name within an epoch: the sequence (from 1, never reused in a stream) and the slot that holds it.
// One 64-bit word, so that `latest` and a lease are each a single atomic. 0 = none.
struct FrameRef {
  uint64_t sequence = 0;
  uint32_t slot = 0;

  constexpr uint64_t pack() const { return sequence << 8 | slot; }
  static constexpr FrameRef unpack(uint64_t word) { return {word >> 8, static_cast<uint32_t>(word & 0xff)}; }
  explicit constexpr operator bool() const { return sequence != 0; }
  friend constexpr bool operator==(const FrameRef&, const FrameRef&) = default;
};
inline constexpr uint64_t kMaxSequence = (uint64_t{1} << 56) - 1;

// SlotHeader::sequence holds a sequence, or one of these while the daemon takes the slot (see lease.h).
inline constexpr uint64_t kSlotTentative = uint64_t{1} << 63;    // sequence | this: may still be given back
inline constexpr uint64_t kSlotOverwritten = uint64_t{1} << 62;  // the pixels are no longer a frame

// x, y, width, height in pixels, packed 16 bits each from the low end.
struct DamageRect {
  uint16_t x = 0, y = 0, width = 0, height = 0;

  constexpr uint64_t pack() const {
    return uint64_t{x} | uint64_t{y} << 16 | uint64_t{width} << 32 | uint64_t{height} << 48;
  }
  static constexpr DamageRect unpack(uint64_t word) {
    return {static_cast<uint16_t>(word), static_cast<uint16_t>(word >> 16), static_cast<uint16_t>(word >> 32),
            static_cast<uint16_t>(word >> 48)};
  }
  friend constexpr bool operator==(const DamageRect&, const DamageRect&) = default;
};

// A place on the desktop, in pixels. One 64-bit word.
struct DesktopPoint {
  int32_t x = 0, y = 0;

  constexpr uint64_t pack() const {
    return uint64_t{static_cast<uint32_t>(x)} | uint64_t{static_cast<uint32_t>(y)} << 32;
  }
  static constexpr DesktopPoint unpack(uint64_t word) {
    return {static_cast<int32_t>(word), static_cast<int32_t>(word >> 32)};
  }
  friend constexpr bool operator==(const DesktopPoint&, const DesktopPoint&) = default;
};

// Where the pointer is, in pixels of the frame, and which shape it has. One 64-bit word. 0 = not known.
struct CursorRef {
  int16_t x = 0, y = 0;  // of the hot spot; may lie outside
  uint32_t serial = 0;   // of the shape, 31 bits; 0 only where nothing is known
  bool visible = false;  // something of it shows in the frame

  constexpr uint64_t pack() const {
    return uint64_t{static_cast<uint16_t>(x)} | uint64_t{static_cast<uint16_t>(y)} << 16 |
           uint64_t{serial & 0x7fffffff} << 32 | uint64_t{visible} << 63;
  }
  static constexpr CursorRef unpack(uint64_t word) {
    return {static_cast<int16_t>(word), static_cast<int16_t>(word >> 16),
            static_cast<uint32_t>(word >> 32) & 0x7fffffff, (word >> 63) != 0};
  }
  explicit constexpr operator bool() const { return serial != 0; }
  friend constexpr bool operator==(const CursorRef&, const CursorRef&) = default;
};

// The damage of one frame, for readers that skipped it. `sequence` is 0 while the record is written; what was
// read of it holds if it is the same before and after (damage_history.h).
struct DamageRecord {
  alignas(64) std::atomic<uint64_t> sequence;
  std::atomic<uint32_t> count;
  alignas(8) std::atomic<uint64_t> rects[kMaxHistoryRects];  // DamageRect
};

// `serial` is 0 while the shape is written; what was read of it holds if it is the same before and after
// (cursor_shapes.h).
struct CursorShape {
  alignas(64) std::atomic<uint32_t> serial;
  std::atomic<uint32_t> width;   // pixels, at most kMaxCursorSize
  std::atomic<uint32_t> height;  // pixels
  std::atomic<int32_t> hot_x;    // the pixel that points
  std::atomic<int32_t> hot_y;
  alignas(64) std::atomic<uint32_t> argb[kMaxCursorSize * kMaxCursorSize];  // premultiplied; rows of width
};

inline constexpr size_t kEndTextBytes = 192;

struct ControlPage {
  // Constant while the epoch lives, but for the position.
  uint32_t magic;
  uint16_t layout_version;
  uint16_t slot_count;
  uint64_t epoch;
  uint32_t width;                  // pixels
  uint32_t height;                 // pixels
  uint32_t stride;                 // bytes between rows
  uint32_t format;                 // PixelFormat
  uint64_t slot_bytes;             // bytes between slots; a multiple of the page size
  uint64_t region_bytes;           // slot_bytes * slot_count
  std::atomic<uint64_t> position;  // DesktopPoint of the frames' first pixel; a window's moves
  uint32_t cursor_shapes;          // 0: the source has no pointer

  // What a polling client reads, on a cache line of its own.
  alignas(64) std::atomic<uint64_t> latest;  // FrameRef; 0 = no frame to read now
  std::atomic<uint64_t> confirmed_ns;  // newest() of lease.h: the source is known to show `latest` until then
  std::atomic<uint32_t> state;         // StreamState
  std::atomic<uint32_t> desktop;       // kDesktop... bits
  alignas(8) std::atomic<uint64_t> cursor;  // CursorRef, now; moves without new frames, for who asked for it

  // UTF-8, zero-terminated; written once, before state becomes kEnded.
  alignas(64) char end_text[kEndTextBytes];

  DamageRecord damage_history[kDamageHistory];  // of frame s at s % kDamageHistory
};

// Times are CLOCK_MONOTONIC nanoseconds. All but `sequence` is valid only between a lease and still_valid().
struct SlotHeader {
  alignas(64) std::atomic<uint64_t> sequence;
  std::atomic<uint64_t> capture_requested_ns;  // no pixel is older than this
  std::atomic<uint64_t> capture_done_ns;
  std::atomic<uint64_t> published_ns;
  std::atomic<uint32_t> damage_count;
  alignas(8) std::atomic<uint64_t> cursor;                    // CursorRef, at the capture
  alignas(64) std::atomic<uint64_t> damage[kMaxDamageRects];  // DamageRect, against the frame before
};

struct LeasePage {
  uint32_t magic;
  uint16_t layout_version;
  uint16_t lease_count;  // for the client; the daemon keeps its own
  // Eventcount: the client sets `waiting`, looks again, then sleeps on `wake_word`; the daemon clears
  // `waiting`, moves the word and wakes one sleeper, who wakes his siblings. `armed` asks for a byte in the
  // wake pipe instead.
  alignas(64) std::atomic<uint32_t> wake_word;
  std::atomic<uint32_t> waiting;
  std::atomic<uint32_t> armed;
  // The latest moment that the client wants confirmed, not in the future: after each change it rings its
  // bell.
  alignas(8) std::atomic<uint64_t> asked_ns;
  alignas(64) std::atomic<uint64_t> leases[kMaxLeases];  // FrameRef; 0 = free
};

constexpr size_t control_bytes(uint32_t slot_count, uint32_t cursor_shapes) {
  return sizeof(ControlPage) + slot_count * sizeof(SlotHeader) + cursor_shapes * sizeof(CursorShape);
}
inline constexpr size_t kLeaseBytes = 4096;

inline SlotHeader* slot_headers(ControlPage* control) {
  return reinterpret_cast<SlotHeader*>(control + 1);
}
inline const SlotHeader* slot_headers(const ControlPage* control) {
  return reinterpret_cast<const SlotHeader*>(control + 1);
}

inline CursorShape* cursor_shapes(ControlPage* control, uint32_t slot_count) {
  return reinterpret_cast<CursorShape*>(slot_headers(control) + slot_count);
}
inline const CursorShape* cursor_shapes(const ControlPage* control, uint32_t slot_count) {
  return reinterpret_cast<const CursorShape*>(slot_headers(control) + slot_count);
}

static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8);
static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);
static_assert(std::is_standard_layout_v<ControlPage> && std::is_standard_layout_v<SlotHeader> &&
              std::is_standard_layout_v<LeasePage> && std::is_standard_layout_v<CursorShape>);

static_assert(offsetof(ControlPage, magic) == 0);
static_assert(offsetof(ControlPage, layout_version) == 4);
static_assert(offsetof(ControlPage, slot_count) == 6);
static_assert(offsetof(ControlPage, epoch) == 8);
static_assert(offsetof(ControlPage, width) == 16);
static_assert(offsetof(ControlPage, height) == 20);
static_assert(offsetof(ControlPage, stride) == 24);
static_assert(offsetof(ControlPage, format) == 28);
static_assert(offsetof(ControlPage, slot_bytes) == 32);
static_assert(offsetof(ControlPage, region_bytes) == 40);
static_assert(offsetof(ControlPage, position) == 48);
static_assert(offsetof(ControlPage, cursor_shapes) == 56);
static_assert(offsetof(ControlPage, latest) == 64);
static_assert(offsetof(ControlPage, confirmed_ns) == 72);
static_assert(offsetof(ControlPage, state) == 80);
static_assert(offsetof(ControlPage, desktop) == 84);
static_assert(offsetof(ControlPage, cursor) == 88);
static_assert(offsetof(ControlPage, end_text) == 128);
static_assert(offsetof(ControlPage, damage_history) == 320);
static_assert(sizeof(ControlPage) == 320 + kDamageHistory * sizeof(DamageRecord));

static_assert(offsetof(DamageRecord, sequence) == 0);
static_assert(offsetof(DamageRecord, count) == 8);
static_assert(offsetof(DamageRecord, rects) == 16);
static_assert(sizeof(DamageRecord) == 256);

static_assert(offsetof(CursorShape, serial) == 0);
static_assert(offsetof(CursorShape, width) == 4);
static_assert(offsetof(CursorShape, height) == 8);
static_assert(offsetof(CursorShape, hot_x) == 12);
static_assert(offsetof(CursorShape, hot_y) == 16);
static_assert(offsetof(CursorShape, argb) == 64);
static_assert(sizeof(CursorShape) == 64 + 4 * kMaxCursorSize * kMaxCursorSize);

static_assert(offsetof(SlotHeader, sequence) == 0);
static_assert(offsetof(SlotHeader, capture_requested_ns) == 8);
static_assert(offsetof(SlotHeader, capture_done_ns) == 16);
static_assert(offsetof(SlotHeader, published_ns) == 24);
static_assert(offsetof(SlotHeader, damage_count) == 32);
static_assert(offsetof(SlotHeader, cursor) == 40);
static_assert(offsetof(SlotHeader, damage) == 64);
static_assert(sizeof(SlotHeader) == 576);

static_assert(offsetof(LeasePage, magic) == 0);
static_assert(offsetof(LeasePage, layout_version) == 4);
static_assert(offsetof(LeasePage, lease_count) == 6);
static_assert(offsetof(LeasePage, wake_word) == 64);
static_assert(offsetof(LeasePage, waiting) == 68);
static_assert(offsetof(LeasePage, armed) == 72);
static_assert(offsetof(LeasePage, asked_ns) == 80);
static_assert(offsetof(LeasePage, leases) == 128);
static_assert(sizeof(LeasePage) == 256 && sizeof(LeasePage) <= kLeaseBytes);

}  // namespace framering::proto
