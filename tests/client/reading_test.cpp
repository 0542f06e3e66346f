// Which frame next() and latest() return, when, and what they count as missed.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <span>
#include <thread>

#include "tests/client/client_fixture.h"

namespace framering::testing {
namespace {

class ReadingTest : public ClientTest {};

TEST_F(ReadingTest, TheLatestModeSkipsToTheNewestFrameAndCountsWhatItSkipped) {
  Stream stream = open_moving();
  const uint64_t first = stream.next(kLong)->sequence();
  let_pass(first, 6);
  const uint64_t second = stream.next(kLong)->sequence();
  EXPECT_GE(second, first + 6);
  EXPECT_EQ(stream.missed(), second - first - 1);
}

TEST_F(ReadingTest, InOrderEveryFrameComesOrIsCounted) {
  Stream stream = open_moving({.mode = Mode::every});
  uint64_t last = stream.next(kLong)->sequence();
  for (int i = 0; i < 200; ++i) {
    const uint64_t missed_before = stream.missed();
    const uint64_t sequence = stream.next(kLong)->sequence();
    EXPECT_EQ(sequence, last + 1 + stream.missed() - missed_before);
    last = sequence;
  }
}

TEST_F(ReadingTest, InOrderWhatTheRingStillHoldsComesFirst) {
  Stream stream = open_moving({.mode = Mode::every});
  const uint64_t first = stream.next(kLong)->sequence();
  let_pass(first, 8);
  const auto second = stream.next(0ns);
  ASSERT_TRUE(second) << "it is there already";
  EXPECT_EQ(second->sequence(), first + 1 + stream.missed());
  const auto third = stream.next(0ns);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->sequence(), first + 2 + stream.missed());
}

TEST_F(ReadingTest, InOrderWhatTheRingHasOverwrittenIsCounted) {
  Stream stream = open_moving({.mode = Mode::every});
  const uint64_t first = stream.next(kLong)->sequence();
  let_pass(first, 40);
  const uint64_t second = stream.next(kLong)->sequence();
  EXPECT_GT(second, first + 40 - 19) << "the ring has 19 slots";
  EXPECT_EQ(stream.missed(), second - first - 1);
}

TEST_F(ReadingTest, LatestReturnsTheNewestFrameAgainAndAgain) {
  Stream still = open_still();
  const auto one = still.latest(0ns);
  const auto other = still.latest(0ns);
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->sequence(), other->sequence());
  EXPECT_EQ(one->data(), other->data());
}

TEST_F(ReadingTest, AfterLatestTheLatestModeGoesOnBehindIt) {
  Stream stream = open_moving();
  const uint64_t first = stream.next(kLong)->sequence();
  let_pass(first, 5);
  const uint64_t newest = stream.latest(kLong)->sequence();
  EXPECT_GE(newest, first + 5);
  EXPECT_GT(stream.next(kLong)->sequence(), newest);
}

TEST_F(ReadingTest, AfterLatestTheOrderGoesOnWhereItWas) {
  Stream stream = open_moving({.mode = Mode::every});
  const uint64_t first = stream.next(kLong)->sequence();
  let_pass(first, 5);
  EXPECT_GE(stream.latest(kLong)->sequence(), first + 5);
  EXPECT_EQ(stream.next(kLong)->sequence(), first + 1 + stream.missed());
}

TEST_F(ReadingTest, AWaitEndsWithItsTimeoutAndNotBefore) {
  Stream still = open_still();
  for (const auto timeout : {0ms, 1ms, 40ms, 200ms}) {
    const auto begin = Clock::now();
    EXPECT_FALSE(still.next(timeout));
    EXPECT_GE(Clock::now() - begin, timeout);
    EXPECT_LT(Clock::now() - begin, timeout + 5s);
  }
  EXPECT_FALSE(still.next(-1s)) << "as 0";
}

TEST_F(ReadingTest, AWaitWithoutEndEndsWithAFrame) {
  Stream stream = open_moving();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(stream.next());
  EXPECT_TRUE(stream.next(forever - 1ns)) << "a deadline beyond the end of time";
}

TEST_F(ReadingTest, ASlowerRateIsKeptForOneClientAlone) {
  constexpr int kFrames = 10;
  constexpr double kFps = 20;
  Stream slow = open_moving({.max_fps = kFps});
  Stream fast = open_moving();
  const auto first = slow.next(kLong)->sequence();
  const auto begin = Clock::now();
  uint64_t last = 0;
  for (int i = 0; i < kFrames; ++i) last = slow.next(kLong)->sequence();
  // Half the time that they should take: their age on a busy machine counts too.
  EXPECT_GE(Clock::now() - begin, kFrames * 500ms / kFps);
  EXPECT_GT(last - first, 2u * kFrames) << "the stream itself is faster";
  EXPECT_TRUE(fast.next(kLong));
  EXPECT_EQ(slow.missed(), last - first - kFrames);
}

TEST_F(ReadingTest, InOrderASlowerRatePassesFramesOverWithoutMissingThem) {
  Stream fast = open_moving();
  Stream slow = open_moving({.mode = Mode::every, .max_fps = 60});
  uint64_t last = slow.next(kLong)->sequence();
  const uint64_t first = last;
  for (int i = 0; i < 20; ++i) {
    const uint64_t sequence = slow.next(kLong)->sequence();
    EXPECT_GT(sequence, last);
    last = sequence;
  }
  EXPECT_GT(last - first, 20u);
  EXPECT_EQ(slow.missed(), 0u);
}

// Waits on a stream that has nothing more, in a thread that a signal can be sent to.
class SignalTest : public ClientTest {
 protected:
  void SetUp() override {
    struct sigaction action {};
    action.sa_handler = [](int) { ++handled_; };
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, nullptr);
    handled_ = 0;
  }
  void TearDown() override { signal(SIGUSR1, SIG_DFL); }

  static void send_signal(std::thread& thread) { pthread_kill(thread.native_handle(), SIGUSR1); }

  static inline std::atomic<int> handled_;
};

TEST_F(SignalTest, WhoeverWaitsMayGiveUpWhenASignalComes) {
  Stream still = open_still();
  std::atomic<bool> returned{false};
  std::thread waiting([&] {
    EXPECT_FALSE(still.next(forever, [] { return false; }));
    returned = true;
  });
  // One that comes before the wait is not seen by it.
  EXPECT_TRUE(soon([&] {
    if (!returned) send_signal(waiting);
    return returned.load();
  }));
  waiting.join();
}

TEST_F(SignalTest, WhoeverWantsToGoOnWaitsToTheEnd) {
  Stream still = open_still();
  std::atomic<int> asked{0};
  std::atomic<bool> returned{false};
  std::thread waiting([&] {
    const auto begin = Clock::now();
    EXPECT_FALSE(still.next(700ms, [&] { return ++asked > 0; }));
    EXPECT_GE(Clock::now() - begin, 700ms);
    returned = true;
  });
  while (!returned) {
    send_signal(waiting);
    std::this_thread::sleep_for(5ms);
  }
  waiting.join();
  EXPECT_GT(asked, 0);
}

TEST_F(SignalTest, WithoutACallASignalDoesNotEndAWait) {
  Stream still = open_still();
  std::atomic<bool> returned{false};
  std::thread waiting([&] {
    const auto begin = Clock::now();
    EXPECT_FALSE(still.next(300ms));
    EXPECT_GE(Clock::now() - begin, 300ms);
    returned = true;
  });
  while (!returned) {
    send_signal(waiting);
    std::this_thread::sleep_for(5ms);
  }
  waiting.join();
  EXPECT_GT(handled_, 0);
}

TEST_F(SignalTest, TheLibrarysOwnThreadTakesNoSignal) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  kill(getpid(), SIGUSR1);
  const timespec none{};
  EXPECT_EQ(sigtimedwait(&all, nullptr, &none), SIGUSR1) << "it was delivered elsewhere";
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(ReadingTest, AFrameIsFoundByItsSequenceWhileItsSlotKeepsIt) {
  Stream stream = open_moving();
  Stream other = open_moving();
  const auto frame = stream.next(kLong);
  const auto same = other.find(frame->sequence());
  ASSERT_TRUE(same);
  EXPECT_EQ(same->sequence(), frame->sequence());
  EXPECT_TRUE(std::ranges::equal(std::span(same->data(), same->size_bytes()),
                                 std::span(frame->data(), frame->size_bytes())));
  EXPECT_FALSE(other.find(frame->sequence() + 1'000'000)) << "not there yet";
  let_pass(frame->sequence(), 40);
  EXPECT_FALSE(other.find(frame->sequence() + 1)) << "overwritten";
  EXPECT_TRUE(other.find(frame->sequence())) << "still leased";
}

}  // namespace
}  // namespace framering::testing
