// The spin of next(): a bounded watch before the sleep.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <optional>
#include <thread>

#include "framering/framering.h"
#include "tests/support/daemon_process.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kFast = "test:64x48@240";
constexpr const char* kStill = "test:64x48@0.01";  // its second frame comes 100 s after the first

// How often this thread went to sleep of its own accord.
long sleeps() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

long sleeps_while_reading(Stream& stream, int frames, std::chrono::microseconds spin) {
  stream.next(10s);
  const long before = sleeps();
  uint64_t last = 0;
  for (int i = 0; i < frames; ++i) {
    const auto frame = stream.next(10s, {}, spin);
    if (!frame) {
      ADD_FAILURE() << "no frame";
      break;
    }
    EXPECT_GT(frame->sequence(), last);
    last = frame->sequence();
  }
  return sleeps() - before;
}

// The error that next() ends with when `what` happens while it watches, for up to a second.
template <class What>
std::optional<ErrorCode> error_when(Stream& stream, What&& what) {
  std::thread other([&] {
    std::this_thread::sleep_for(50ms);
    what();
  });
  std::optional<ErrorCode> code;
  try {
    stream.next(10s, {}, 1s);
  } catch (const Error& error) {
    code = error.code();
  }
  other.join();
  return code;
}

TEST(Spin, AReaderThatSpinsDoesNotSleep) {
  const DaemonProcess daemon({"--source", kFast});
  Connection connection = Connection::connect(daemon.socket());
  Stream spinning = connection.open({.source = kFast});
  Stream sleeping = connection.open({.source = kFast});
  constexpr int kFrames = 50;
  EXPECT_LT(sleeps_while_reading(spinning, kFrames, 1s), kFrames / 2);
  EXPECT_GE(sleeps_while_reading(sleeping, kFrames, 0s), kFrames / 2);
}

TEST(Spin, TimeoutsAreKept) {
  const DaemonProcess daemon({"--source", kStill});
  Stream stream = Connection::connect(daemon.socket()).open({.source = kStill});
  ASSERT_TRUE(stream.next(10s));
  const auto begin = Clock::now();
  EXPECT_FALSE(stream.next(20ms, {}, 1s));
  EXPECT_LT(Clock::now() - begin, 900ms) << "the spin went on";
}

TEST(Spin, AReaderSleepsAfterItsSpin) {
  const DaemonProcess daemon({"--source", kStill});
  Stream stream = Connection::connect(daemon.socket()).open({.source = kStill});
  ASSERT_TRUE(stream.next(10s));
  const long before = sleeps();
  EXPECT_FALSE(stream.next(50ms, {}, 1ms));
  EXPECT_GT(sleeps(), before);
}

TEST(Spin, AStreamThatIsClosedMeanwhileIsAnErrorAtOnce) {
  const DaemonProcess daemon({"--source", kStill});
  Stream stream = Connection::connect(daemon.socket()).open({.source = kStill});
  ASSERT_TRUE(stream.next(10s));
  EXPECT_EQ(error_when(stream, [&] { stream.close(); }), ErrorCode::disconnected);
}

TEST(Spin, ADaemonThatDiesMeanwhileIsAnErrorAtOnce) {
  DaemonProcess daemon({"--source", kStill});
  Stream stream = Connection::connect(daemon.socket()).open({.source = kStill});
  ASSERT_TRUE(stream.next(10s));
  EXPECT_EQ(error_when(stream, [&] { daemon.end(SIGKILL); }), ErrorCode::disconnected);
}

TEST(Spin, TimesOutOfRangeAreRefused) {
  const DaemonProcess daemon({"--source", kStill});
  Stream stream = Connection::connect(daemon.socket()).open({.source = kStill});
  for (const std::chrono::microseconds spin :
       {std::chrono::microseconds(-1), std::chrono::microseconds(1'000'001),
        std::chrono::microseconds::max()}) {
    try {
      stream.next(1s, {}, spin);
      ADD_FAILURE() << spin.count();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    }
  }
}

}  // namespace
}  // namespace framering::testing
