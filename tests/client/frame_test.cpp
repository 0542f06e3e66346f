// A frame and its lease: whose it is, how long it lives, and who is told when it is broken.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "tests/client/client_fixture.h"
#include "tests/support/child.h"

namespace framering::testing {
namespace {

class FrameTest : public ClientTest {};

TEST_F(FrameTest, AFrameSaysWhatItIs) {
  Stream stream = open_moving();
  const auto begin = static_cast<uint64_t>(Clock::now().time_since_epoch().count());
  stream.next(kLong);
  const auto frame = stream.next(kLong);
  EXPECT_TRUE(*frame);
  EXPECT_NE(frame->data(), nullptr);
  EXPECT_EQ(frame->width(), 64u);
  EXPECT_EQ(frame->height(), 48u);
  EXPECT_EQ(frame->stride(), 256u);
  EXPECT_EQ(frame->size_bytes(), 256u * 48);
  EXPECT_EQ(frame->format(), PixelFormat::bgrx8888);
  EXPECT_EQ(frame->memory(), Memory::host);
  EXPECT_EQ(frame->epoch(), stream.epoch());
  EXPECT_GT(frame->sequence(), 1u);
  EXPECT_LE(begin, frame->capture_ns());
  EXPECT_LE(frame->capture_ns(), frame->capture_done_ns());
  EXPECT_LE(frame->capture_done_ns(), frame->published_ns());
  EXPECT_LE(frame->published_ns(), static_cast<uint64_t>(Clock::now().time_since_epoch().count()));
  EXPECT_EQ(frame->damage(), (std::vector<Rect>{{0, 0, 64, 48}})) << "the test picture changes everywhere";
}

TEST_F(FrameTest, AnEmptyFrameHasNothing) {
  Frame empty;
  EXPECT_FALSE(empty);
  EXPECT_EQ(empty.data(), nullptr);
  EXPECT_EQ(empty.size_bytes(), 0u);
  EXPECT_EQ(empty.sequence(), 0u);
  EXPECT_TRUE(empty.damage().empty());
  EXPECT_FALSE(empty.valid());
  EXPECT_FALSE(empty.release());
}

TEST_F(FrameTest, ALeaseMovesWithItsFrame) {
  Stream stream = open_moving({.max_leases = 3});
  Frame one = *stream.next(kLong);
  Frame other = *stream.next(kLong);
  EXPECT_EQ(leases_held(), 2u);
  const uint64_t sequence = one.sequence();
  Frame moved = std::move(one);
  EXPECT_FALSE(one);  // NOLINT(bugprone-use-after-move): that it is empty is the promise
  EXPECT_EQ(moved.sequence(), sequence);
  EXPECT_TRUE(moved.valid());
  EXPECT_EQ(leases_held(), 2u);
  other = std::move(moved);
  EXPECT_EQ(other.sequence(), sequence);
  EXPECT_EQ(leases_held(), 1u) << "the frame that was assigned to is released";
  { const Frame last = std::move(other); }
  EXPECT_EQ(leases_held(), 0u);
}

TEST_F(FrameTest, AFrameIsReleasedOnce) {
  Stream stream = open_moving();
  Frame frame = *stream.next(kLong);
  EXPECT_TRUE(frame.valid());
  EXPECT_TRUE(frame.release());
  EXPECT_EQ(frame.data(), nullptr);
  EXPECT_FALSE(frame.release());
  EXPECT_EQ(leases_held(), 0u);
}

TEST_F(FrameTest, OneFrameMoreThanTheLeasesIsRefusedUntilOneIsReleased) {
  Stream stream = open_moving({.max_leases = 3});
  std::vector<Frame> frames;
  for (int i = 0; i < 3; ++i) frames.push_back(*stream.next(kLong));
  EXPECT_EQ(error_of([&] { stream.next(kLong); }), ErrorCode::lease_limit);
  EXPECT_EQ(error_of([&] { stream.latest(kLong); }), ErrorCode::lease_limit);
  frames.erase(frames.begin() + 1);
  frames.push_back(*stream.next(kLong));
  EXPECT_EQ(leases_held(), 3u);
}

TEST_F(FrameTest, LeasesOfOneStreamAreNotThoseOfAnother) {
  Stream one = open_moving({.max_leases = 1});
  Stream other = open_moving({.max_leases = 1});
  const auto held = one.next(kLong);
  EXPECT_TRUE(other.next(kLong));
}

TEST_F(FrameTest, FramesOutliveTheirStreamAndConnection) {
  Frame frame;
  std::vector<std::byte> before;
  {
    Connection connection = Connection::connect(daemon_.socket());
    Stream stream = connection.open({.source = kMoving});
    frame = *stream.next(kLong);
    before.assign(frame.data(), frame.data() + frame.size_bytes());
  }
  EXPECT_EQ(leases_held(), 1u);
  EXPECT_TRUE(frame.valid());
  EXPECT_EQ(std::memcmp(frame.data(), before.data(), before.size()), 0);
  EXPECT_TRUE(frame.release());
  EXPECT_TRUE(soon([&] { return own_entries().empty(); })) << "the last frame takes the stream along";
}

TEST_F(FrameTest, PixelsCannotBeWritten) {
  Stream stream = open_moving();
  const auto frame = stream.next(kLong);
  Child writer([&] {
    const_cast<std::byte&>(*frame->data()) = std::byte{1};
    return 0;
  });
  EXPECT_NE(writer.wait(), 0);
}

class ShortLeaseTest : public ClientTest {
 protected:
  ShortLeaseTest() : ClientTest({"--slots", "3", "--lease-ms", "100"}) {}
};

TEST_F(ShortLeaseTest, AFrameThatIsKeptTooLongIsBrokenWhereASlotIsNeededAndItsHolderIsTold) {
  Stream holder = open_moving({.mode = Mode::every, .max_leases = 2});
  Stream reader = open_moving();
  Frame first = *holder.next(kLong);
  const Frame second = *holder.next(kLong);
  EXPECT_EQ(holder.lease_time(), 100ms);
  // Two of three slots are held: the third is the newest frame, and the next one needs a slot.
  EXPECT_TRUE(soon([&] { return reader.next(kLong) && !first.valid(); }));
  EXPECT_FALSE(first.release());
  uint64_t broken = 0;
  for (const ClientInfo& entry : own_entries()) broken += entry.leases_broken;
  EXPECT_GE(broken, 1u);
  EXPECT_TRUE(holder.next(kLong)) << "and the stream is as good as before";
}

TEST_F(ShortLeaseTest, AFrameThatIsKeptTooLongStaysWhereNoSlotIsNeeded) {
  Stream still = open_still();
  const auto frame = still.latest(kLong);
  EXPECT_FALSE(still.next(300ms));
  EXPECT_TRUE(frame->valid());
}

}  // namespace
}  // namespace framering::testing
