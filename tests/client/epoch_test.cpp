// A desktop that changes its size under its readers.
#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "tests/client/client_fixture.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

class EpochTest : public ::testing::Test {
 protected:
  // Draws until `condition` holds, so that there are frames to see.
  template <class Condition>
  ::testing::AssertionResult draw_until(Condition&& condition) {
    return soon([&] {
      desktop_.fill({0, 0, 50, 50}, ++color_);
      desktop_.sync();
      return condition();
    });
  }

  const Xvfb server_{{.screen = "640x480x24"}};
  X11Desktop desktop_{server_.display()};
  DaemonProcess daemon_{{"--source", "screen", "--display", server_.display(), "--max-fps", "200"}};
  Connection connection_ = Connection::connect(daemon_.socket());
  uint32_t color_ = 0;
};

TEST_F(EpochTest, ANewSizeIsFollowedAndTheFramesOfTheOldOneStay) {
  // One lease: those of the old epoch do not count in the new one.
  Stream stream = connection_.open({.max_leases = 1});
  const auto before = stream.next(kLong);
  ASSERT_TRUE(before);
  const std::vector<std::byte> pixels(before->data(), before->data() + before->size_bytes());
  desktop_.resize(320, 200);
  const auto after = stream.next(kLong);
  ASSERT_TRUE(after);
  EXPECT_GT(after->epoch(), before->epoch());
  EXPECT_GT(after->sequence(), before->sequence());
  EXPECT_EQ(after->width(), 320u);
  EXPECT_EQ(after->height(), 200u);
  EXPECT_EQ(stream.width(), 320u);
  EXPECT_EQ(stream.epoch(), after->epoch());
  EXPECT_EQ(before->width(), 640u);
  EXPECT_TRUE(before->valid());
  EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), before->data()));
}

TEST_F(EpochTest, EveryThreadThatWaitsFollows) {
  Stream stream = connection_.open({.max_leases = 3});
  const uint64_t epoch = stream.next(kLong)->epoch();
  std::atomic<int> followed{0};
  std::vector<std::thread> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([&] {
      while (stream.next(kLong)->epoch() == epoch) {
      }
      ++followed;
    });
  }
  desktop_.resize(320, 200);
  EXPECT_TRUE(draw_until([&] { return followed == 3; }));
  for (std::thread& thread : waiting) thread.join();
}

TEST_F(EpochTest, InOrderTheOldFramesComeBeforeTheNewOnes) {
  Stream ordered = connection_.open({.mode = Mode::every});
  Stream watcher = connection_.open();
  const auto first = ordered.next(kLong);
  ASSERT_TRUE(first);
  int behind = 0;
  EXPECT_TRUE(draw_until([&] { return watcher.next(0ns) && ++behind >= 3; }));
  desktop_.resize(320, 200);
  uint64_t last = first->sequence();
  int old_frames = 0;
  for (;;) {
    const auto frame = ordered.next(kLong);
    ASSERT_TRUE(frame);
    EXPECT_GT(frame->sequence(), last);
    last = frame->sequence();
    if (frame->epoch() > first->epoch()) break;
    EXPECT_EQ(frame->width(), 640u);
    ++old_frames;
  }
  EXPECT_GE(old_frames, 2);
}

TEST_F(EpochTest, ANewSizeIsAWakeUpAndTheDescriptorStays) {
  Stream stream = connection_.open({.wake_fd = true});
  const auto before = stream.next(kLong);
  stream.arm();
  EXPECT_FALSE(stream.next(0ns));
  desktop_.resize(320, 200);
  pollfd state{stream.wake_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&state, 1, 10'000), 1);
  const auto after = stream.next(kLong);
  ASSERT_TRUE(after);
  EXPECT_GT(after->epoch(), before->epoch());
  EXPECT_EQ(stream.wake_fd(), state.fd);
  stream.drain();
  EXPECT_TRUE(draw_until([&] {
    stream.arm();
    return poll(&state, 1, 10) == 1;
  }));
}

TEST_F(EpochTest, AStreamFollowsManySizes) {
  Stream stream = connection_.open();
  uint64_t epoch = stream.next(kLong)->epoch();
  for (int i = 0; i < 6; ++i) {
    const auto width = static_cast<uint16_t>(i % 2 == 0 ? 320 : 640);
    desktop_.resize(width, static_cast<uint16_t>(width / 2));
    EXPECT_TRUE(draw_until([&] {
      const auto frame = stream.next(100ms);
      if (!frame || frame->epoch() == epoch || frame->width() != width) return false;
      epoch = frame->epoch();
      return true;
    })) << i;
  }
  EXPECT_TRUE(soon([&] { return connection_.list().at(0).client_count == 1; }))
      << "old epochs are given back";
}

}  // namespace
}  // namespace framering::testing
