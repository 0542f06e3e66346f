// The bytes of the shared memory: what a client that was built against this layout version will find.
#include <gtest/gtest.h>

#include <cstring>
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
  alignas(4096) std::byte bytes[4096] = {};
};

TEST(Layout, TheControlPageHasTheBytesOfItsVersion) {
  constexpr uint16_t kSlots = 3;
  static_assert(control_bytes(kSlots) <= sizeof(Region));
  Region region;
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
  control->latest = FrameRef{0x40414243444546, 0x47}.pack();
  control->confirmed_ns = 0x48494a4b4c4d4e4f;
  control->state = static_cast<uint32_t>(StreamState::kSuperseded);
  std::strcpy(control->end_text, "why it ended");
  control->end_text[kEndTextBytes - 1] = '\x7e';

  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    const uint64_t base = uint64_t{slot + 1} << 60;
    auto* header = new (slot_headers(control) + slot) SlotHeader{};
    header->sequence = base | 0x0051525354555657;
    header->capture_requested_ns = base | 0x58595a5b5c5d5e5f;
    header->capture_done_ns = base | 0x0061626364656667;
    header->published_ns = base | 0x08696a6b6c6d6e6f;
    header->damage_count = 0x70717273 + slot;
    header->cursor_visible = 0x74757677 + slot;
    header->cursor_x = -1 - static_cast<int32_t>(slot);
    header->cursor_y = 0x787a7b7c;
    header->cursor_serial = 0x7d7e7f80 + slot;
    for (uint32_t i = 0; i < kMaxDamageRects; ++i) {
      header->damage[i] = DamageRect{static_cast<uint16_t>(0x9000 + i), static_cast<uint16_t>(0xa000 + slot),
                                     static_cast<uint16_t>(0xb000 + i), 0xc0c1}
                              .pack();
    }
  }
  EXPECT_TRUE(
      testing::matches_golden(name_of("control_page"), {region.bytes, control_bytes(kSlots)}, kWhatToDo));
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
}

TEST(Layout, PackedWordsUnpackToWhatWasPacked) {
  for (const FrameRef frame :
       {FrameRef{}, FrameRef{1, 0}, FrameRef{kMaxSequence, 255}, FrameRef{77, kMaxSlots - 1}}) {
    EXPECT_EQ(FrameRef::unpack(frame.pack()), frame);
  }
  for (const DamageRect rect : {DamageRect{}, DamageRect{1, 2, 3, 4}, DamageRect{0xffff, 0, 0xffff, 1}}) {
    EXPECT_EQ(DamageRect::unpack(rect.pack()), rect);
  }
}

}  // namespace
}  // namespace framering::proto
