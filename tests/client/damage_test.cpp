// Damage over frames that were skipped: every pixel that differs is covered.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "tests/client/client_fixture.h"
#include "tests/support/seed.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

struct Copy {
  uint64_t sequence = 0;
  std::vector<uint32_t> pixels{};
};

Copy copy_of(const Frame& frame) {
  Copy copy{frame.sequence(), std::vector<uint32_t>(frame.size_bytes() / 4)};
  std::memcpy(copy.pixels.data(), frame.data(), frame.size_bytes());
  return copy;
}

size_t uncovered(const Copy& a, const Copy& b, uint32_t width, const std::vector<Rect>& damage) {
  size_t count = 0;
  for (uint32_t i = 0; i < a.pixels.size(); ++i) {
    if (((a.pixels[i] ^ b.pixels[i]) & 0xffffff) == 0) continue;
    const uint32_t x = i % width, y = i / width;
    count += std::none_of(damage.begin(), damage.end(), [&](const Rect& rect) {
      return x >= rect.x && y >= rect.y && x < uint32_t{rect.x} + rect.width &&
             y < uint32_t{rect.y} + rect.height;
    });
  }
  return count;
}

uint64_t area(const std::vector<Rect>& rects) {
  uint64_t pixels = 0;
  for (const Rect& rect : rects) pixels += uint64_t{rect.width} * rect.height;
  return pixels;
}

class DamageTest : public ::testing::Test {
 protected:
  uint64_t now_ns() const { return static_cast<uint64_t>(Clock::now().time_since_epoch() / 1ns); }

  const Xvfb server_{{.screen = "320x200x24"}};
  X11Desktop desktop_{server_.display()};
  DaemonProcess daemon_{{"--source", "screen", "--display", server_.display(), "--max-fps", "1000"}};
  Connection connection_ = Connection::connect(daemon_.socket());
  std::mt19937 random_{random_seed()};
};

TEST_F(DamageTest, CoversEveryPixelThatDiffersFromAnyEarlierOrLaterFrame) {
  desktop_.open_windows(random_);
  Stream stream = connection_.open({.max_leases = 3});
  std::vector<Copy> copies;
  size_t partial = 0;
  for (int round = 0; round < 150; ++round) {
    for (uint32_t i = random_() % 4; i > 0; --i) {
      desktop_.draw_random(random_);
      desktop_.sync();
      if (random_() % 2 == 0) {
        ASSERT_TRUE(stream.wait_until(now_ns(), kLong));  // a frame that is skipped
      }
    }
    const auto frame = stream.wait_until(now_ns(), kLong);
    ASSERT_TRUE(frame);
    const Copy now = copy_of(*frame);
    for (int i = 0; i < 8 && !copies.empty(); ++i) {
      const Copy& other = copies[random_() % copies.size()];
      const auto damage = frame->damage_since(other.sequence);
      ASSERT_LE(damage.size(), 64u);
      ASSERT_EQ(uncovered(other, now, frame->width(), damage), 0u)
          << other.sequence << " to " << now.sequence;
      partial += area(damage) < 320 * 200;
    }
    copies.push_back(now);
  }
  EXPECT_GT(partial, 0u) << "it is not simply everything";
}

TEST_F(DamageTest, IsExactlyWhatWasDrawnNothingForTheFrameItselfAndAllForWhatIsNotKnown) {
  Stream stream = connection_.open({.max_leases = 3});
  const auto draw = [&](xcb_rectangle_t rect, uint32_t pixel) {
    desktop_.fill(rect, pixel);
    desktop_.sync();
    return *stream.wait_until(now_ns(), kLong);
  };
  const std::vector<Rect> all = {{0, 0, 320, 200}};
  const uint64_t first = draw({0, 0, 320, 200}, 1).sequence();
  const uint64_t second = draw({10, 10, 5, 5}, 2).sequence();
  {
    const Frame third = draw({100, 50, 7, 3}, 3);
    EXPECT_EQ(third.damage_since(second), (std::vector<Rect>{{100, 50, 7, 3}}));
    EXPECT_EQ(third.damage_since(first), (std::vector<Rect>{{10, 10, 5, 5}, {100, 50, 7, 3}}));
    EXPECT_TRUE(third.damage_since(third.sequence()).empty());
    EXPECT_EQ(third.damage_since(0), all);
    EXPECT_EQ(third.damage_since(third.sequence() + 1000), all);
  }
  Frame last = draw({10, 10, 5, 5}, 4);
  EXPECT_EQ(last.damage_since(first), (std::vector<Rect>{{10, 10, 5, 5}, {100, 50, 7, 3}})) << "each once";
  for (uint32_t i = 0; i < 70; ++i) last = draw({0, 0, 1, 1}, 10 + i);
  EXPECT_EQ(last.damage_since(first), all) << "the history does not reach back";
  EXPECT_EQ(last.damage_since(last.sequence() - 60), (std::vector<Rect>{{0, 0, 1, 1}}));
  last.release();
  EXPECT_EQ(error_of([&] { last.damage_since(first); }), ErrorCode::invalid_argument);
}

TEST_F(DamageTest, AnotherEpochIsWhollyOtherAndManyRectanglesBecomeTheirBounds) {
  Stream stream = connection_.open({.max_leases = 3});
  const auto before = stream.wait_until(now_ns(), kLong);
  ASSERT_TRUE(before);
  desktop_.resize(160, 120);
  desktop_.sync();
  const auto after = stream.wait_until(now_ns(), kLong);
  ASSERT_TRUE(after);
  ASSERT_GT(after->epoch(), before->epoch());
  EXPECT_EQ(after->damage_since(before->sequence()), (std::vector<Rect>{{0, 0, 160, 120}}));
  // More than 64 apart from each other, over several frames.
  for (int16_t i = 0; i < 80; ++i) {
    desktop_.fill({static_cast<int16_t>(2 * (i % 40)), static_cast<int16_t>(4 * (i / 40)), 1, 1},
                  0x102030u + i);
    desktop_.sync();
    if (i % 8 == 7) {
      ASSERT_TRUE(stream.wait_until(now_ns(), kLong));
    }
  }
  const auto last = stream.wait_until(now_ns(), kLong);
  EXPECT_EQ(last->damage_since(after->sequence()), (std::vector<Rect>{{0, 0, 79, 5}}));
}

}  // namespace
}  // namespace framering::testing
