// Streams and connections that several threads use at the same time.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/client/client_fixture.h"

namespace framering::testing {
namespace {

constexpr int kThreads = 4;

class ThreadsTest : public ClientTest {
 protected:
  // Runs `work(i)` in several threads and waits for all.
  template <class Work>
  static void in_threads(Work&& work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([&work, i] { work(i); });
    for (std::thread& thread : threads) thread.join();
  }

  // Several threads wait on a stream that has nothing more; then `wake` is called. Each must get this error.
  template <class Wake>
  void expect_waiters_get(ErrorCode code, Stream& still, Wake&& wake) {
    std::atomic<int> begun{0}, told{0};
    std::vector<std::thread> waiting;
    for (int i = 0; i < kThreads; ++i) {
      waiting.emplace_back([&] {
        ++begun;
        if (error_of([&] { still.next(); }) == code) ++told;
      });
    }
    // Whether they sleep by then or are on their way: no wake-up is lost.
    EXPECT_TRUE(soon([&] { return begun == kThreads; }));
    wake();
    for (std::thread& thread : waiting) thread.join();
    EXPECT_EQ(told, kThreads);
  }
};

TEST_F(ThreadsTest, EachFrameGoesToOneOfTheThreadsThatWait) {
  for (const Mode mode : {Mode::latest, Mode::every}) {
    Stream stream = open_moving({.mode = mode, .max_leases = kThreads});
    std::vector<std::vector<uint64_t>> seen(kThreads);
    in_threads([&](int i) {
      for (int frame = 0; frame < 50; ++frame) seen[i].push_back(stream.next(kLong)->sequence());
    });
    std::vector<uint64_t> all;
    for (const auto& mine : seen) {
      EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
      all.insert(all.end(), mine.begin(), mine.end());
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all.size(), 50u * kThreads);
    EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end()) << "a frame came twice";
    EXPECT_EQ(all.back() - all.front() + 1, all.size() + stream.missed());
  }
}

TEST_F(ThreadsTest, WaitersWithOtherTimeoutsDoNotWaitForEachOther) {
  Stream still = open_still({.max_leases = kThreads});
  in_threads([&](int i) {
    const auto begin = Clock::now();
    EXPECT_FALSE(still.next(50ms * i));
    EXPECT_GE(Clock::now() - begin, 50ms * i);
    EXPECT_LT(Clock::now() - begin, 50ms * i + 5s);
  });
}

TEST_F(ThreadsTest, ClosingAStreamWakesEveryWaiter) {
  for (int round = 0; round < 20; ++round) {
    Stream still = open_still();
    expect_waiters_get(ErrorCode::disconnected, still, [&] { still.close(); });
  }
}

// Who sleeps on the old epoch's page is woken as well.
TEST_F(ThreadsTest, ClosingAReopenedStreamWakesWhoWaitedBefore) {
  Stream still = open_still();
  expect_waiters_get(ErrorCode::disconnected, still, [&] {
    still.reopen();
    still.close();
  });
}

TEST_F(ThreadsTest, TheDaemonsDeathWakesEveryWaiterOfEveryStream) {
  Stream one = open_still();
  Stream other = open_still();
  std::thread also_waiting([&] { EXPECT_EQ(error_of([&] { other.next(); }), ErrorCode::disconnected); });
  expect_waiters_get(ErrorCode::disconnected, one, [&] { kill(daemon_.pid(), SIGKILL); });
  also_waiting.join();
}

TEST_F(ThreadsTest, AClosedStreamSaysSoToEveryCall) {
  Stream stream = open_moving({.wake_fd = true});
  const auto frame = stream.next(kLong);
  stream.close();
  stream.close();
  EXPECT_EQ(error_of([&] { stream.next(); }), ErrorCode::disconnected);
  EXPECT_EQ(error_of([&] { stream.latest(); }), ErrorCode::disconnected);
  EXPECT_EQ(error_of([&] { stream.reopen(); }), ErrorCode::disconnected);
  EXPECT_EQ(error_of([&] { stream.wake_fd(); }), ErrorCode::disconnected);
  EXPECT_EQ(error_of([&] { stream.arm(); }), ErrorCode::disconnected);
  EXPECT_EQ(error_of([&] { stream.width(); }), ErrorCode::disconnected);
  EXPECT_EQ(stream.options().source, kMoving);
  EXPECT_TRUE(frame->valid()) << "the frame is none of that";
}

TEST_F(ThreadsTest, OneConnectionServesManyThreads) {
  in_threads([&](int i) {
    for (int round = 0; round < 25; ++round) {
      Stream stream = connection_.open({.source = i % 2 == 0 ? kMoving : kStill, .mode = Mode::every});
      EXPECT_TRUE(stream.next(kLong));
      EXPECT_EQ(connection_.list().size(), 2u);
      if (round % 3 == 0) stream.close();
    }
  });
  EXPECT_TRUE(soon([&] { return own_entries().empty(); }));
}

// Reading, releasing in other threads, facts, reopening: all at the same time.
TEST_F(ThreadsTest, OneStreamServesManyThreadsThatDoDifferentThings) {
  // In order, as latest() would take the frames away from next() otherwise.
  Stream stream = open_moving({.mode = Mode::every, .max_leases = 16, .wake_fd = true});
  std::atomic<bool> done{false};
  std::thread busy([&] {
    while (!done) {
      EXPECT_EQ(stream.width(), 64u);
      stream.arm();
      stream.drain();
      stream.reopen();
      EXPECT_TRUE(stream.latest(kLong));
    }
  });
  in_threads([&](int) {
    for (int i = 0; i < 10; ++i) {
      auto frame = stream.next(kLong);
      ASSERT_TRUE(frame);
      std::thread([frame = *std::move(frame)]() mutable { EXPECT_TRUE(frame.release()); }).join();
    }
  });
  done = true;
  busy.join();
}

}  // namespace
}  // namespace framering::testing
