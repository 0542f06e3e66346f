// The bytes of the shared memory: what a client that was built against this layout version will find.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <new>

#include "proto/pixel_format.h"
#include "proto/shm_layout.h"
#include "tests/golden/golden.h"

namespace framering::proto {
namespace {

constexpr const char* kWhatToDo =
    "Clients and daemons of one layout version must agree on every byte. If this change is meant, raise "
    "kLayoutVersion in\nproto/shm_layout.h and write the files of the new version with "
    "FRAMERING_WRITE_GOLDEN=1. "
    "The files of a version that\nwas released stay as they are.";

std::string name_of(const std::string& page) {
  return "layout_v" + std::to_string(kLayoutVersion) + "/" + page;
}

// As a mapped memfd: zeroed, aligned to more than a cache line.
struct Region {
  alignas(4096) std::byte bytes[control_bytes(kMinSlots, 1)] = {};
};

TEST(Layout, TheControlPageHasTheBytesOfItsVersion) {
  constexpr uint16_t kSlots = 3;
  constexpr uint32_t kShapes = 1;
  static_assert(kSlots == kMinSlots);
  const auto memory = std::make_unique<Region>();
  Region& region = *memory;
  auto* control = new (region.bytes) ControlPage{};
  control->magic = kControlMagic;
  control->layout_version = kLayoutVersion;
  control->slot_count = kSlots;
  control->epoch = 0x1011121314151617;
  control->width = 0x20212223;
  control->height = 0x24252627;
  control->stride = 0x28292a2b;
  control->format = 0x2c2d2e2f;
  control->slot_bytes = 0x3031323334353637;
  control->region_bytes = 0x38393a3b3c3d3e3f;
  control->position = DesktopPoint{0x01020304, -0x05060708}.pack();
  control->cursor_shapes = kShapes;
  control->latest = FrameRef{0x40414243444546, 0x47}.pack();
  control->confirmed_ns = 0x48494a4b4c4d4e4f;
  control->state = static_cast<uint32_t>(StreamState::kSuperseded);
  control->desktop = 0x54555657;
  control->cursor = CursorRef{-2, 0x0102, 0x03040506, true}.pack();
  std::strcpy(control->end_text, "why it ended");
  control->end_text[kEndTextBytes - 1] = '\x7e';

  for (uint32_t i = 0; i < kDamageHistory; ++i) {
    DamageRecord& record = control->damage_history[i];
    record.sequence = 0x1000 + i;
    record.count = 0x2000 + i;
    for (uint32_t k = 0; k < kMaxHistoryRects; ++k) {
      record.rects[k] = DamageRect{static_cast<uint16_t>(i), static_cast<uint16_t>(k), 0x3031, 0x3233}.pack();
    }
  }
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    const uint64_t base = uint64_t{slot + 1} << 60;
    auto* header = new (slot_headers(control) + slot) SlotHeader{};
    header->sequence = base | 0x0051525354555657;
    header->capture_requested_ns = base | 0x58595a5b5c5d5e5f;
    header->capture_done_ns = base | 0x0061626364656667;
    header->published_ns = base | 0x08696a6b6c6d6e6f;
    header->damage_count = 0x70717273 + slot;
    header->cursor =
        CursorRef{static_cast<int16_t>(-1 - static_cast<int>(slot)), 0x787a, 0x7d7e7f80 + slot, false}.pack();
    for (uint32_t i = 0; i < kMaxDamageRects; ++i) {
      header->damage[i] = DamageRect{static_cast<uint16_t>(0x9000 + i), static_cast<uint16_t>(0xa000 + slot),
                                     static_cast<uint16_t>(0xb000 + i), 0xc0c1}
                              .pack();
    }
  }
  CursorShape* shape = new (cursor_shapes(control, kSlots)) CursorShape{};
  shape->serial = 0x40414243;
  shape->width = 0x44454647;
  shape->height = 0x48494a4b;
  shape->hot_x = -5;
  shape->hot_y = 0x4c4d4e4f;
  for (uint32_t i = 0; i < 64; ++i) shape->argb[i] = 0x80000000 + i;
  shape->argb[kMaxCursorSize * kMaxCursorSize - 1] = 0x50515253;
  // All but the pixels in the middle, which are zero.
  const size_t shape_at = control_bytes(kSlots, 0);
  EXPECT_TRUE(testing::matches_golden(name_of("control_page"), {region.bytes, shape_at}, kWhatToDo));
  EXPECT_TRUE(
      testing::matches_golden(name_of("cursor_shape"), {region.bytes + shape_at, 64 + 64 * 4}, kWhatToDo));
  uint32_t last = 0;
  std::memcpy(&last, region.bytes + control_bytes(kSlots, kShapes) - sizeof last, sizeof last);
  EXPECT_EQ(last, 0x50515253u);
}

TEST(Layout, TheLeasePageHasTheBytesOfItsVersion) {
  Region region;
  auto* page = new (region.bytes) LeasePage{};
  page->magic = kLeaseMagic;
  page->layout_version = kLayoutVersion;
  page->lease_count = 0x0203;
  page->wake_word = 0x10111213;
  page->waiting = 0x14151617;
  page->armed = 0x18191a1b;
  page->asked_ns = 0x3132333435363738;
  for (uint32_t i = 0; i < kMaxLeases; ++i)
    page->leases[i] = FrameRef{uint64_t{0x2021222324} + i, 0xe0 + i}.pack();
  EXPECT_TRUE(testing::matches_golden(name_of("lease_page"), {region.bytes, sizeof(LeasePage)}, kWhatToDo));
}

// Numbers that are written into the pages; a change of one is a change of the layout, too.
TEST(Layout, WordsMeanWhatTheyMeantBefore) {
  EXPECT_EQ(static_cast<uint32_t>(StreamState::kLive), 1u);
  EXPECT_EQ(static_cast<uint32_t>(StreamState::kStale), 2u);
  EXPECT_EQ(static_cast<uint32_t>(StreamState::kEnded), 3u);
  EXPECT_EQ(static_cast<uint32_t>(StreamState::kSuperseded), 4u);
  EXPECT_EQ(static_cast<uint32_t>(PixelFormat::kBgrx8888), 1u);
  EXPECT_EQ(static_cast<uint32_t>(PixelFormat::kRgbx8888), 2u);
  EXPECT_EQ(static_cast<uint32_t>(PixelFormat::kXrgb2101010), 3u);
  EXPECT_EQ(static_cast<uint32_t>(PixelFormat::kRgb565), 4u);
  EXPECT_EQ(kSlotTentative, 0x8000000000000000u);
  EXPECT_EQ(kSlotOverwritten, 0x4000000000000000u);
  EXPECT_EQ(kMaxSequence, 0x00ffffffffffffffu);
  EXPECT_EQ(kDamageHistory, 64u);
  EXPECT_EQ(kMaxHistoryRects, 30u);
  EXPECT_EQ(kMaxCursorSize, 128u);
}

TEST(Layout, PackedWordsUnpackToWhatWasPacked) {
  for (const FrameRef frame :
       {FrameRef{}, FrameRef{1, 0}, FrameRef{kMaxSequence, 255}, FrameRef{77, kMaxSlots - 1}}) {
    EXPECT_EQ(FrameRef::unpack(frame.pack()), frame);
  }
  for (const CursorRef cursor :
       {CursorRef{}, CursorRef{-1, 1, 1, true}, CursorRef{INT16_MIN, INT16_MAX, 0x7fffffff, false}}) {
    EXPECT_EQ(CursorRef::unpack(cursor.pack()), cursor);
  }
  for (const DamageRect rect : {DamageRect{}, DamageRect{1, 2, 3, 4}, DamageRect{0xffff, 0, 0xffff, 1}}) {
    EXPECT_EQ(DamageRect::unpack(rect.pack()), rect);
  }
}

}  // namespace
}  // namespace framering::proto
