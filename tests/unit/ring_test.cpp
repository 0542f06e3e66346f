// What Ring promises to the pump and to readers, one thread at a time.
#include "daemon/ring.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

#include "proto/cursor_shapes.h"
#include "proto/damage_history.h"
#include "proto/lease.h"
#include "proto/text.h"

namespace framering::daemon {
namespace {

using proto::Acquire;
using proto::FrameRef;

constexpr uint64_t kLeaseNs = 1000;

class RingTest : public testing::Test {
 protected:
  void SetUp() override { make_ring(3); }

  void make_ring(uint32_t slots, uint32_t cursor_shapes = 0) {
    RingOptions options;
    options.cursor_shapes = cursor_shapes;
    options.geometry = {64, 32, PixelFormat::kBgrx8888};
    options.slot_count = slots;
    options.slot_bytes = 8192;
    options.lease_ns = kLeaseNs;
    clock_ns = 0;
    options.clock = [] { return clock_ns; };
    auto ring = Ring::create(options);
    ASSERT_TRUE(ring);
    ring_ = *std::move(ring);
  }

  // Of a client of its own, or of the client before.
  Reader& add_reader(uint32_t max_leases = 2, bool same_client = false) {
    ReaderOptions options;
    options.client = readers_.empty() ? 1 : readers_.back().client + (same_client ? 0 : 1);
    options.max_leases = max_leases;
    auto reader = Reader::create(options);
    EXPECT_TRUE(reader);
    readers_.emplace_back(*std::move(reader));
    return *readers_.back().reader;
  }

  uint32_t publish_one(uint64_t now = 1) {
    const auto slot = ring_->begin_write(readers_, now);
    EXPECT_TRUE(slot);
    CaptureInfo capture;
    capture.requested_ns = now;
    capture.damage.add({1, 2, 3, 4});
    ring_->publish(*slot, capture, now);
    return *slot;
  }

  FrameRef latest() const { return FrameRef::unpack(ring_->control()->latest.load()); }
  Acquire lease(Reader& reader, uint32_t index, FrameRef frame) {
    return proto::acquire(header(frame.slot), reader.page()->leases[index], frame);
  }
  const proto::SlotHeader& header(uint32_t slot) const { return proto::slot_headers(ring_->control())[slot]; }

  static inline uint64_t clock_ns;  // as it reads while a call is under way

  std::unique_ptr<Ring> ring_;
  ReaderList readers_;
};

TEST_F(RingTest, APublishedFrameIsTheLatestAndCarriesItsMetadata) {
  EXPECT_FALSE(latest());
  const uint32_t slot = publish_one(77);
  EXPECT_EQ(latest(), (FrameRef{1, slot}));
  EXPECT_EQ(header(slot).sequence.load(), 1u);
  EXPECT_EQ(header(slot).capture_requested_ns.load(), 77u);
  EXPECT_EQ(header(slot).damage_count.load(), 1u);
  EXPECT_EQ(proto::DamageRect::unpack(header(slot).damage[0].load()), (DamageRect{1, 2, 3, 4}));
  EXPECT_EQ(ring_->control()->confirmed_ns.load(), 77u);
}

TEST_F(RingTest, TheLatestFrameIsNeverOverwritten) {
  publish_one();
  for (int i = 0; i < 100; ++i) {
    const uint32_t newest = latest().slot;
    const auto slot = ring_->begin_write(readers_, 1);
    ASSERT_TRUE(slot);
    EXPECT_NE(*slot, newest);
    ring_->publish(*slot, {}, 1);
  }
}

TEST_F(RingTest, TheOldestUnleasedFrameIsOverwrittenFirst) {
  for (int i = 0; i < 3; ++i) publish_one();
  const uint32_t oldest = proto::oldest_since(ring_->control(), 3, 1).slot;
  EXPECT_EQ(ring_->begin_write(readers_, 1), oldest);
}

TEST_F(RingTest, ALeasedSlotIsLeftAloneWithinItsGuarantee) {
  Reader& reader = add_reader();
  publish_one();
  const FrameRef held = latest();
  ASSERT_EQ(lease(reader, 0, held), Acquire::kLeased);
  for (int i = 0; i < 20; ++i) EXPECT_NE(publish_one(), held.slot);
  EXPECT_TRUE(proto::still_valid(header(held.slot), held.sequence));
}

TEST_F(RingTest, WithEverySlotWithinItsGuaranteeThereIsNoSlotAndTheHoldersAreCounted) {
  Reader& reader = add_reader(3);
  Reader& idle = add_reader();
  for (uint32_t i = 0; i < 3; ++i) {
    publish_one();
    ASSERT_EQ(lease(reader, i, latest()), Acquire::kLeased);
  }
  EXPECT_EQ(ring_->begin_write(readers_, 1), std::nullopt);
  EXPECT_EQ(ring_->begin_write(readers_, kLeaseNs - 1), std::nullopt);
  ring_->count_drop(readers_);
  EXPECT_EQ(reader.drops_caused.load(), 1u);
  EXPECT_EQ(idle.drops_caused.load(), 0u);
}

// Two clients lease three frames, first seen at 10, 20 and 30; a fourth is the latest.
class StarvedRingTest : public RingTest {
 protected:
  void SetUp() override {
    make_ring(4);
    reader_ = &add_reader(2);
    for (uint32_t i = 0; i < 3; ++i) {
      publish_one(i == 0 ? 1 : 10 * i);
      frames_[i] = latest();
      ASSERT_EQ(i < 2 ? lease(*reader_, i, frames_[i]) : lease(add_reader(), 0, frames_[i]),
                Acquire::kLeased);
    }
    publish_one(30);
  }
  bool valid(uint32_t i) const { return proto::still_valid(header(frames_[i].slot), frames_[i].sequence); }

  Reader* reader_ = nullptr;
  FrameRef frames_[3];
};

TEST_F(StarvedRingTest, TheOldestLeaseBeyondItsGuaranteeIsBrokenAndItsHolderSeesIt) {
  EXPECT_EQ(ring_->begin_write(readers_, 10 + kLeaseNs - 1), std::nullopt);
  EXPECT_EQ(ring_->begin_write(readers_, 10 + kLeaseNs), frames_[0].slot);
  EXPECT_FALSE(valid(0));
  EXPECT_TRUE(valid(1));
  EXPECT_TRUE(valid(2));
  EXPECT_EQ(reader_->leases_broken.load(), 1u);
}

TEST_F(StarvedRingTest, TakingTheSameFrameAgainDoesNotRenewItsGuarantee) {
  proto::release(reader_->page()->leases[0]);
  ASSERT_EQ(lease(*reader_, 0, frames_[0]), Acquire::kLeased);
  EXPECT_EQ(ring_->begin_write(readers_, 500), std::nullopt);
  EXPECT_EQ(ring_->begin_write(readers_, 10 + kLeaseNs), frames_[0].slot);
}

TEST_F(StarvedRingTest, TheGuaranteeCountsFromWhenALeaseIsSeenHoweverLateThatIs) {
  Reader& other = add_reader(3);
  for (uint32_t i = 0; i < 3; ++i) ASSERT_EQ(lease(other, i, frames_[i]), Acquire::kLeased);
  clock_ns = 700;  // the call began at 500 and was held up
  EXPECT_EQ(ring_->begin_write(readers_, 500), std::nullopt);
  EXPECT_EQ(ring_->begin_write(readers_, 700 + kLeaseNs - 1), std::nullopt);
  EXPECT_EQ(ring_->begin_write(readers_, 700 + kLeaseNs), frames_[0].slot);
}

TEST_F(StarvedRingTest, AnotherReadersYoungerLeaseKeepsTheSlot) {
  Reader& other = add_reader();
  ASSERT_EQ(lease(other, 0, frames_[0]), Acquire::kLeased);
  EXPECT_EQ(ring_->begin_write(readers_, 600), std::nullopt);
  // The first slot is held until 1600 by the other reader; the second slot's guarantee ends first.
  EXPECT_EQ(ring_->begin_write(readers_, 20 + kLeaseNs), frames_[1].slot);
  EXPECT_TRUE(valid(0));
}

TEST_F(StarvedRingTest, AnEndedLeaseFreesItsSlotAtOnce) {
  proto::release(reader_->page()->leases[1]);
  EXPECT_EQ(ring_->begin_write(readers_, 31), frames_[1].slot);
  EXPECT_EQ(reader_->leases_broken.load(), 0u);
}

TEST_F(StarvedRingTest, ADeadClientsLeasesAreGoneWithItsReader) {
  EXPECT_EQ(ring_->begin_write(readers_, 31), std::nullopt);
  readers_.clear();
  EXPECT_EQ(ring_->begin_write(readers_, 31), frames_[0].slot);
}

// One client attaches twice and leases five frames, which is all but the newest; its share is three.
class GreedyClientTest : public RingTest {
 protected:
  void SetUp() override {
    make_ring(6);
    Reader* readers[] = {&add_reader(3), nullptr};
    readers[1] = &add_reader(3, /*same_client=*/true);
    for (uint32_t i = 0; i < 5; ++i) {
      publish_one();
      frames_[i] = latest();
      ASSERT_EQ(lease(*readers[i / 3], i % 3, frames_[i]), Acquire::kLeased);
    }
    publish_one();
  }
  bool valid(uint32_t i) const { return proto::still_valid(header(frames_[i].slot), frames_[i].sequence); }

  FrameRef frames_[5];
};

TEST_F(GreedyClientTest, LosesItsOldestFrameWhereTheRingNeedsASlotAndNoMoreThanThat) {
  for (int i = 0; i < 20; ++i) publish_one();
  for (uint32_t i = 0; i < 5; ++i) EXPECT_EQ(valid(i), i != 0) << i;
  EXPECT_EQ(readers_[0].reader->leases_broken.load(), 1u);
  EXPECT_EQ(readers_[1].reader->leases_broken.load(), 0u);
}

TEST_F(GreedyClientTest, KeepsAFrameThatAnotherClientHoldsWithinItsShare) {
  Reader& other = add_reader();
  ASSERT_EQ(lease(other, 0, frames_[0]), Acquire::kLeased);
  EXPECT_EQ(ring_->begin_write(readers_, 1), frames_[1].slot);
  EXPECT_TRUE(valid(0));
}

TEST_F(RingTest, ClientsWithinTheirSharesKeepTheirGuaranteeTogether) {
  make_ring(6);
  for (uint32_t i = 0; i < 5; ++i) {
    publish_one();
    ASSERT_EQ(lease(add_reader(1), 0, latest()), Acquire::kLeased);
  }
  publish_one();
  EXPECT_EQ(ring_->begin_write(readers_, 1), std::nullopt);
}

TEST_F(RingTest, MadeUpLeaseWordsPinNothing) {
  Reader& reader = add_reader(4);
  publish_one();
  auto& leases = reader.page()->leases;
  for (int i = 0; i < 50; ++i) {
    const FrameRef newest = latest();
    leases[0].store(FrameRef{newest.sequence + 1, (newest.slot + 1) % 3}.pack());  // a frame to come
    leases[1].store(FrameRef{newest.sequence, 200}.pack());                        // no such slot
    leases[2].store(~uint64_t{0});
    leases[3].store(FrameRef{0, newest.slot}.pack());
    leases[proto::kMaxLeases - 1].store(newest.pack());  // beyond what it was granted
    publish_one();
  }
  EXPECT_EQ(reader.leases_broken.load(), 0u);
}

TEST_F(RingTest, AnAbandonedSlotHoldsNoFrame) {
  for (int i = 0; i < 3; ++i) publish_one();
  const FrameRef oldest = proto::oldest_since(ring_->control(), 3, 1);
  const auto slot = ring_->begin_write(readers_, 1);
  ASSERT_EQ(slot, oldest.slot);
  ring_->abandon(*slot);
  Reader& reader = add_reader();
  EXPECT_EQ(lease(reader, 0, oldest), Acquire::kGone);
  EXPECT_EQ(reader.page()->leases[0].load(), 0u);
  EXPECT_EQ(ring_->begin_write(readers_, 1), *slot);
}

TEST_F(RingTest, ARetractedRingHasNoLatestUntilTheNextFrame) {
  publish_one();
  ring_->retract();
  EXPECT_FALSE(latest());
  publish_one();
  EXPECT_EQ(latest().sequence, 2u);
}

TEST_F(RingTest, TheDamageOfTheLastFramesIsKept) {
  for (uint32_t frame = 1; frame <= 100; ++frame) {
    const auto slot = ring_->begin_write(readers_, 1);
    CaptureInfo capture;
    for (uint32_t i = 0; i < frame % 40; ++i)
      capture.damage.add({static_cast<uint16_t>(i), 0, 1, static_cast<uint16_t>(frame % 32)});
    ring_->publish(*slot, capture, 1);
  }
  std::vector<DamageRect> rects;
  EXPECT_FALSE(proto::read_damage(*ring_->control(), 100 - proto::kDamageHistory, rects));
  for (uint16_t frame = 100 - proto::kDamageHistory + 1; frame <= 100; ++frame) {
    rects.clear();
    ASSERT_TRUE(proto::read_damage(*ring_->control(), frame, rects));
    const auto count = static_cast<uint16_t>(frame % 40), height = static_cast<uint16_t>(frame % 32);
    if (height == 0) {
      EXPECT_TRUE(rects.empty());
    } else if (count <= proto::kMaxHistoryRects) {
      EXPECT_EQ(rects.size(), count);
    } else {
      EXPECT_THAT(rects, ::testing::ElementsAre(DamageRect{0, 0, count, height}));
    }
  }
}

Cursor cursor_at(int32_t x, int32_t y, uint32_t serial) {
  return {x, y, true,
          std::make_shared<const CursorPicture>(CursorPicture{serial, 2, 1, 1, 0, {serial, ~serial}})};
}

TEST_F(RingTest, ThePointerIsInThePageAndInTheFramesThatFollow) {
  make_ring(3, proto::kCursorShapes);
  const auto in_page = [&] { return proto::CursorRef::unpack(ring_->control()->cursor.load()); };
  const auto in_frame = [&] { return proto::CursorRef::unpack(header(latest().slot).cursor.load()); };
  publish_one();
  EXPECT_FALSE(in_page());
  EXPECT_FALSE(in_frame());
  EXPECT_TRUE(ring_->set_cursor(cursor_at(-5, 70'000, 9)));
  EXPECT_FALSE(ring_->set_cursor(cursor_at(-5, 70'000, 9))) << "nothing new";
  EXPECT_EQ(in_page(), (proto::CursorRef{-5, INT16_MAX, 9, true}));
  EXPECT_FALSE(in_frame()) << "it was captured before";
  publish_one();
  EXPECT_EQ(in_frame(), in_page());
  EXPECT_TRUE(ring_->set_cursor(std::nullopt));
  EXPECT_FALSE(in_page());
}

TEST_F(RingTest, AShapeIsWrittenOnceAndTheOldestGivesWay) {
  make_ring(3, proto::kCursorShapes);
  const std::span<const proto::CursorShape> shapes(proto::cursor_shapes(ring_->control(), 3),
                                                   proto::kCursorShapes);
  for (uint32_t serial = 1; serial <= proto::kCursorShapes; ++serial)
    ring_->set_cursor(cursor_at(0, 0, serial));
  for (int i = 0; i < 10; ++i) ring_->set_cursor(cursor_at(i, 0, 2));
  for (uint32_t serial = 1; serial <= proto::kCursorShapes; ++serial) {
    const auto shape = proto::read_shape(shapes, serial);
    ASSERT_TRUE(shape);
    EXPECT_EQ(shape->argb, (std::vector<uint32_t>{serial, ~serial}));
    EXPECT_EQ(shape->hot_x, 1);
  }
  ring_->set_cursor(cursor_at(0, 0, 77));
  EXPECT_FALSE(proto::read_shape(shapes, 1));
  EXPECT_TRUE(proto::read_shape(shapes, 2));
  EXPECT_TRUE(proto::read_shape(shapes, 77));
}

TEST_F(RingTest, WithoutShapesThereIsNoPointer) {
  EXPECT_FALSE(ring_->set_cursor(cursor_at(1, 2, 3)));
  EXPECT_EQ(ring_->control()->cursor.load(), 0u);
}

TEST_F(RingTest, TheReasonOfTheEndIsReadableBeforeTheState) {
  ring_->end(std::string(500, 'x'));
  EXPECT_EQ(ring_->control()->state.load(), static_cast<uint32_t>(proto::StreamState::kEnded));
  EXPECT_EQ(strnlen(ring_->control()->end_text, proto::kEndTextBytes), proto::kEndTextBytes - 1);
}

TEST_F(RingTest, AReasonThatIsTooLongIsCutBetweenCharacters) {
  std::string reason;
  for (size_t i = 0; i < proto::kEndTextBytes; ++i) reason += "\u00fc";
  ring_->end(reason);
  const std::string text = ring_->control()->end_text;
  EXPECT_TRUE(proto::is_text(text));
  EXPECT_EQ(text, reason.substr(0, text.size()));
  EXPECT_GE(text.size(), proto::kEndTextBytes - 3);
}

TEST_F(RingTest, AClientCannotMapTheControlPageForWriting) {
  const auto fd = ring_->export_control();
  ASSERT_TRUE(fd);
  EXPECT_EQ(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0), MAP_FAILED);
  EXPECT_NE(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd->get(), 0), MAP_FAILED);
  const std::string path = "/proc/self/fd/" + std::to_string(fd->get());
  const proto::UniqueFd writable(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (writable) {  // root may open it; the seal still refuses the write
    EXPECT_EQ(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writable.get(), 0), MAP_FAILED);
    EXPECT_EQ(write(writable.get(), "x", 1), -1);
  }
}

}  // namespace
}  // namespace framering::daemon
