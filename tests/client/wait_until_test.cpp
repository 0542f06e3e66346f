// Which frame wait_until() returns, and what that costs.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "tests/client/client_fixture.h"
#include "tests/support/seed.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

uint64_t now_ns() {
  return static_cast<uint64_t>(Clock::now().time_since_epoch() / 1ns);
}

// The fourth byte of a pixel is nobody's.
bool same_colors(std::span<const std::byte> a, std::span<const std::byte> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (i % 4 != 3 && a[i] != b[i]) return false;
  }
  return true;
}

class WaitUntilTest : public ClientTest {
 protected:
  StreamInfo info(const std::string& source) {
    for (const StreamInfo& stream : connection_.list()) {
      if (stream.source == source) return stream;
    }
    throw std::runtime_error("no stream " + source);
  }
};

TEST_F(WaitUntilTest, AnUnchangedSourceIsConfirmedAndNotCapturedAgain) {
  Stream still = open_still();
  const uint64_t captures = info(kStill).captures;
  for (int i = 0; i < 20; ++i) {
    const uint64_t moment = now_ns();
    const auto frame = still.wait_until(moment, kLong);
    ASSERT_TRUE(frame);
    EXPECT_LT(frame->capture_ns(), moment);
    EXPECT_GE(frame->confirmed_ns(), moment);
    EXPECT_TRUE(frame->valid());
  }
  EXPECT_EQ(info(kStill).captures, captures);
  ASSERT_EQ(own_entries().size(), 1u);
  EXPECT_GE(own_entries()[0].confirmations_asked, 1u);
}

TEST_F(WaitUntilTest, AMovingSourceGivesAFrameOfThatMomentOrLater) {
  Stream stream = open_moving();
  for (int i = 0; i < 50; ++i) {
    const uint64_t moment = now_ns();
    const auto frame = stream.wait_until(moment, kLong);
    ASSERT_TRUE(frame);
    EXPECT_GE(frame->confirmed_ns(), moment);
    EXPECT_GE(frame->confirmed_ns(), frame->capture_ns());
  }
}

TEST_F(WaitUntilTest, WhatIsKnownAlreadyAsksNobody) {
  Stream still = open_still();
  const uint64_t moment = now_ns();
  ASSERT_TRUE(still.wait_until(moment, kLong));
  const uint64_t asked = own_entries()[0].confirmations_asked;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(still.wait_until(moment, 0ns));
  EXPECT_TRUE(still.wait_until(0, 0ns));
  EXPECT_FALSE(still.wait_until(now_ns(), 0ns)) << "with no time it asks nobody";
  EXPECT_EQ(own_entries()[0].confirmations_asked, asked);
}

TEST_F(WaitUntilTest, AMomentInTheFutureIsWaitedForAndATimeoutEndsThat) {
  Stream still = open_still();
  const uint64_t moment = now_ns() + 50'000'000;
  const auto frame = still.wait_until(moment, kLong);
  ASSERT_TRUE(frame);
  EXPECT_GE(now_ns(), moment);
  EXPECT_GE(frame->confirmed_ns(), moment);
  const auto begin = Clock::now();
  EXPECT_FALSE(still.wait_until(now_ns() + 3'600'000'000'000, 50ms));
  EXPECT_GE(Clock::now() - begin, 50ms);
}

TEST_F(WaitUntilTest, ManyThreadsOfOneStreamAllGetTheirFrame) {
  Stream still = open_still({.max_leases = 16});
  const uint64_t captures = info(kStill).captures;
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 10; ++k) {
        const uint64_t moment = now_ns();
        const auto frame = still.wait_until(moment, kLong);
        answered += frame && frame->confirmed_ns() >= moment;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 120);
  EXPECT_EQ(info(kStill).captures, captures);
}

TEST_F(WaitUntilTest, NextGoesOnAfterItAsAfterLatest) {
  Stream still = open_still();
  ASSERT_TRUE(still.wait_until(now_ns(), kLong));
  EXPECT_FALSE(still.next(0ns)) << "the frame was returned before";
  Stream fresh = connection_.open({.source = kStill});
  ASSERT_TRUE(fresh.wait_until(now_ns(), kLong));
  EXPECT_FALSE(fresh.next(0ns));
}

TEST_F(WaitUntilTest, WhoWatchesForItGetsTheSameAndWaitsNoLonger) {
  Stream still = open_still();
  Stream moving = open_moving();
  for (int i = 0; i < 20; ++i) {
    const uint64_t moment = now_ns();
    EXPECT_GE(still.wait_until(moment, kLong, {}, 1s)->confirmed_ns(), moment);
    EXPECT_GE(moving.wait_until(moment, kLong, {}, 1s)->confirmed_ns(), moment);
    EXPECT_TRUE(moving.next(kLong, {}, 1s));
  }
  const auto soon_ns = now_ns() + 5'000'000;
  EXPECT_GE(still.wait_until(soon_ns, kLong, {}, 1s)->confirmed_ns(), soon_ns);
  EXPECT_LT(now_ns(), soon_ns + 900'000'000) << "it is asked for when its moment has come";
  const auto begin = Clock::now();
  EXPECT_FALSE(still.next(20ms, {}, 1s));
  EXPECT_FALSE(still.wait_until(now_ns() + 3'600'000'000'000, 20ms, {}, 1s));
  EXPECT_LT(Clock::now() - begin, 2s);
  EXPECT_GE(Clock::now() - begin, 40ms);
  for (const auto spin : {-1us, 1'000'001us}) {
    EXPECT_EQ(error_of([&] { still.wait_until(0, 0ns, {}, spin); }), ErrorCode::invalid_argument);
    EXPECT_EQ(error_of([&] { still.next(0ns, {}, spin); }), ErrorCode::invalid_argument);
  }
}

TEST_F(WaitUntilTest, WhoWatchesDoesNotSleep) {
  Stream still = open_still();
  const auto sleeps = [] {
    rusage used{};
    getrusage(RUSAGE_THREAD, &used);
    return used.ru_nvcsw;
  };
  ASSERT_TRUE(still.wait_until(now_ns(), kLong));
  const long before = sleeps();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(still.wait_until(now_ns(), kLong, {}, 1s));
  EXPECT_EQ(sleeps(), before);
}

TEST_F(WaitUntilTest, TheEndOfTheStreamOrOfTheDaemonEndsTheWatch) {
  Stream closed = open_still();
  Stream still = open_still();
  std::atomic<bool> watches{false};
  std::thread watching([&] {
    watches = true;
    watches.notify_one();
    EXPECT_EQ(error_of([&] { closed.next(kLong, {}, 1s); }), ErrorCode::disconnected);
    const auto code = error_of([&] { still.next(kLong, {}, 1s); });
    EXPECT_TRUE(code == ErrorCode::stream_ended || code == ErrorCode::disconnected);
  });
  watches.wait(false);
  closed.close();
  daemon_.end(SIGTERM);
  watching.join();
}

TEST_F(WaitUntilTest, TheEndOfTheDaemonEndsTheWait) {
  Stream still = open_still();
  std::thread waiting([&] {
    const auto code = error_of([&] { still.wait_until(now_ns() + 3'600'000'000'000, forever); });
    EXPECT_TRUE(code == ErrorCode::stream_ended || code == ErrorCode::disconnected);
  });
  daemon_.end(SIGTERM);
  waiting.join();
}

// A desktop that changes only when the test draws.
class WaitOnDesktopTest : public ::testing::Test {
 protected:
  uint64_t captures() { return connection_.list().at(0).captures; }

  const Xvfb server_{{.screen = "320x200x24"}};
  X11Desktop desktop_{server_.display()};
  DaemonProcess daemon_{{"--source", "screen", "--display", server_.display(), "--max-fps", "1000"}};
  Connection connection_ = Connection::connect(daemon_.socket());
  std::mt19937 random_{random_seed()};
};

class WaitAfterActionTest : public WaitOnDesktopTest, public ::testing::WithParamInterface<bool> {};

TEST_P(WaitAfterActionTest, TheFrameHasItsEffectAndWithoutAnActionNothingIsCaptured) {
  if (GetParam()) desktop_.redirect_windows();
  desktop_.open_windows(random_);
  desktop_.sync();
  Stream stream = connection_.open();
  ASSERT_TRUE(stream.wait_until(now_ns(), kLong));
  for (int round = 0; round < 200; ++round) {
    const bool draws = random_() % 2 == 0;
    const uint64_t before = captures();
    if (draws) {
      desktop_.draw_random(random_);
      desktop_.sync();
    }
    const uint64_t moment = now_ns();
    const auto frame = stream.wait_until(moment, kLong);
    ASSERT_TRUE(frame);
    ASSERT_GE(frame->confirmed_ns(), moment);
    const std::vector<std::byte> grabbed = desktop_.grab();
    ASSERT_TRUE(same_colors({frame->data(), frame->size_bytes()}, grabbed)) << "round " << round;
    if (!draws) {
      ASSERT_EQ(captures(), before) << "round " << round;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Windows, WaitAfterActionTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "redirected" : "plain"; });

TEST_F(WaitOnDesktopTest, ANewSizeIsFollowedByWhoWaits) {
  Stream stream = connection_.open();
  const auto first = stream.wait_until(now_ns(), kLong);
  ASSERT_TRUE(first);
  desktop_.resize(200, 100);
  desktop_.sync();
  const uint64_t moment = now_ns();
  const auto frame = stream.wait_until(moment, kLong);
  ASSERT_TRUE(frame);
  EXPECT_GT(frame->epoch(), first->epoch());
  EXPECT_EQ(frame->width(), 200u);
  EXPECT_GE(frame->confirmed_ns(), moment);
}

}  // namespace
}  // namespace framering::testing
