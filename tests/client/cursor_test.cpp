// The pointer as a reader sees it: told of, or painted into the frames.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <span>

#include "tests/client/client_fixture.h"
#include "tests/support/seed.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/x11_pointer.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

// The fourth byte of a pixel is nobody's.
bool same_colors(std::span<const std::byte> a, std::span<const std::byte> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (i % 4 != 3 && a[i] != b[i]) return false;
  }
  return true;
}
std::span<const std::byte> pixels(const Frame& frame) {
  return {frame.data(), frame.size_bytes()};
}
uint64_t now_ns() {
  return static_cast<uint64_t>(Clock::now().time_since_epoch() / 1ns);
}

class CursorClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    desktop_.open_windows(random_);
    desktop_.sync();
    pointer_.show(random_picture(random_, 24, 24));
    pointer_.move(100, 100);
  }
  StreamInfo info(const std::string& source) {
    for (const StreamInfo& stream : connection_.list()) {
      if (stream.source == source) return stream;
    }
    throw std::runtime_error("no stream " + source);
  }
  static PointerPicture to_picture(const CursorShape& shape) {
    return {static_cast<uint16_t>(shape.width), static_cast<uint16_t>(shape.height),
            static_cast<uint16_t>(shape.hot_x), static_cast<uint16_t>(shape.hot_y), shape.argb};
  }

  const Xvfb server_{{.screen = "320x200x24"}};
  X11Desktop desktop_{server_.display()};
  X11Pointer pointer_{server_.display()};
  DaemonProcess daemon_{{"--source", "screen", "--source", "screen+cursor", "--display", server_.display()}};
  Connection connection_ = Connection::connect(daemon_.socket());
  std::mt19937 random_{random_seed()};
};

TEST_F(CursorClientTest, AMovingPointerReturnsTheSameFrameWithItsNewPlaceAndNothingIsCaptured) {
  Stream stream = connection_.open({.cursor = CursorMode::metadata});
  auto frame = stream.wait_until(now_ns(), kLong);
  ASSERT_TRUE(frame && frame->cursor());
  EXPECT_EQ(frame->cursor()->x, 100);
  EXPECT_EQ(frame->cursor()->y, 100);
  EXPECT_TRUE(frame->cursor()->visible);
  ASSERT_TRUE(frame->cursor()->shape);
  EXPECT_EQ(to_picture(*frame->cursor()->shape), pointer_.picture());
  const auto shape = frame->cursor()->shape;
  const uint64_t sequence = frame->sequence();
  const uint64_t captures = info("screen").captures, published = info("screen").published;
  for (int16_t x = 101; x < 130; ++x) {
    pointer_.move(x, 50);
    do {
      frame.reset();
      frame = stream.next(kLong);
      ASSERT_TRUE(frame && frame->cursor());
    } while (frame->cursor()->x != x);
    EXPECT_EQ(frame->cursor()->y, 50);
    EXPECT_EQ(frame->cursor()->shape, shape) << "fetched once";
    EXPECT_EQ(frame->sequence(), sequence);
    EXPECT_TRUE(same_colors(pixels(*frame), desktop_.grab())) << "without the pointer";
  }
  EXPECT_EQ(info("screen").captures, captures);
  EXPECT_EQ(info("screen").published, published);
  EXPECT_EQ(stream.missed(), 0u);
  EXPECT_FALSE(stream.next(50ms)) << "it stands still";
}

TEST_F(CursorClientTest, AnotherPictureIsToldOfAndALargeOneIsCut) {
  Stream stream = connection_.open({.cursor = CursorMode::metadata});
  ASSERT_TRUE(stream.next(kLong));
  for (const uint16_t size : {1, 48, 128, 200}) {
    pointer_.show(random_picture(random_, size, size));
    const PointerPicture picture = pointer_.picture();
    const auto frame = stream.wait_until(now_ns(), kLong);
    ASSERT_TRUE(frame && frame->cursor() && frame->cursor()->shape);
    const CursorShape& shape = *frame->cursor()->shape;
    if (size <= 128) {
      EXPECT_EQ(to_picture(shape), picture);
      continue;
    }
    ASSERT_EQ(shape.width, 128u);
    ASSERT_EQ(shape.height, 128u);
    EXPECT_EQ(shape.argb[shape.hot_y * 128 + shape.hot_x],
              picture.argb[picture.hot_y * size + picture.hot_x]);
  }
}

TEST_F(CursorClientTest, WhoDidNotAskIsToldNothing) {
  Stream plain = connection_.open();
  ASSERT_TRUE(plain.next(kLong));
  Stream follower = connection_.open({.cursor = CursorMode::metadata});
  ASSERT_TRUE(follower.next(kLong));
  pointer_.move(7, 7);
  ASSERT_TRUE(follower.next(kLong));
  EXPECT_FALSE(plain.next(20ms));
  EXPECT_FALSE(plain.latest(kLong)->cursor());
}

TEST_F(CursorClientTest, EmbeddedItIsInTheFramesOfItsOwnStreamAndPlainOnesStayPlain) {
  Stream embedded = connection_.open({.cursor = CursorMode::embedded});
  Stream again = connection_.open({.cursor = CursorMode::embedded});
  Stream plain = connection_.open();
  for (int round = 0; round < 30; ++round) {
    pointer_.move(static_cast<int16_t>(random_() % 320), static_cast<int16_t>(random_() % 200));
    if (round % 3 == 0) pointer_.show(random_picture(random_, 20, 30));
    if (round % 2 == 0) desktop_.draw_random(random_);
    desktop_.sync();
    const uint64_t moment = now_ns();
    const auto with = embedded.wait_until(moment, kLong);
    const auto without = plain.wait_until(moment, kLong);
    ASSERT_TRUE(with && without);
    ASSERT_TRUE(same_colors(pixels(*with), pointer_.composed())) << "round " << round;
    ASSERT_TRUE(same_colors(pixels(*without), desktop_.grab())) << "round " << round;
    EXPECT_FALSE(with->cursor());
    ASSERT_EQ(again.wait_until(moment, kLong)->sequence(), with->sequence()) << "one stream, shared";
  }
  EXPECT_EQ(info("screen+cursor").client_count, 2u);
}

TEST_F(CursorClientTest, EmbeddedAPointerAtRestCostsNoCaptures) {
  Stream embedded = connection_.open({.cursor = CursorMode::embedded});
  ASSERT_TRUE(embedded.wait_until(now_ns(), kLong));
  const uint64_t captures = info("screen+cursor").captures;
  EXPECT_FALSE(embedded.wait_until(now_ns() + 3'600'000'000'000, 200ms));
  ASSERT_TRUE(embedded.wait_until(now_ns(), kLong));
  EXPECT_EQ(info("screen+cursor").captures, captures);
}

}  // namespace
}  // namespace framering::testing
