#include "daemon/capture/test_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <string>
#include <vector>

#include "daemon/capture/test_pattern.h"

namespace framering::daemon {
namespace {

bool readable(const Source& source, int timeout_ms) {
  pollfd fd{source.event_fd(), POLLIN, 0};
  return poll(&fd, 1, timeout_ms) == 1;
}

class TestSourceTest : public testing::Test {
 protected:
  void open(double fps) {
    auto source = open_test_source({geometry_, fps});
    ASSERT_TRUE(source) << source.error().text();
    source_ = *std::move(source);
    ASSERT_TRUE(source_->bind(geometry_, std::array{Surface{-1, 0, pixels_.size(), pixels_.data()}}));
  }
  uint32_t capture_number() {
    const auto info = source_->capture(0, Source::Request::kChanged);
    EXPECT_TRUE(info);
    const auto number = read_barcode(pixels_, geometry_, {0, 0, 64, 32});
    EXPECT_TRUE(number);
    return number.value_or(0);
  }

  const Geometry geometry_{64, 32};
  std::vector<std::byte> pixels_{geometry_.frame_bytes()};
  std::unique_ptr<Source> source_;
};

TEST_F(TestSourceTest, KeepsItsRate) {
  open(200);
  const uint64_t start_ns = now_ns();
  uint32_t last = capture_number();
  const uint32_t first = last;
  while (now_ns() - start_ns < 500'000'000) {
    ASSERT_TRUE(readable(*source_, 1000));
    ASSERT_TRUE(source_->poll());
    last = capture_number();
  }
  const double periods = static_cast<double>(now_ns() - start_ns) / 5e6;
  EXPECT_NEAR(last - first, periods, 2);
}

// A reader that comes late gets the frame of now, once.
TEST_F(TestSourceTest, NoBacklogBuildsUp) {
  open(100);
  const uint32_t before = capture_number();
  const uint64_t start_ns = now_ns();
  while (now_ns() - start_ns < 200'000'000) ::poll(nullptr, 0, 20);
  ASSERT_TRUE(source_->poll()->changed);
  EXPECT_GE(capture_number(), before + 19);
  EXPECT_FALSE(source_->poll()->changed);
}

TEST_F(TestSourceTest, AnotherGeometryIsNotBound) {
  open(60);
  EXPECT_FALSE(source_->bind({65, 32}, {}));
}

}  // namespace
}  // namespace framering::daemon
