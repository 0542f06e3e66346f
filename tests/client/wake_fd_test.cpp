// Streams in an event loop: arm(), look, wait for the descriptor, drain().
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <thread>

#include "tests/client/client_fixture.h"

namespace framering::testing {
namespace {

bool readable(int fd, std::chrono::milliseconds timeout) {
  pollfd state{fd, POLLIN, 0};
  return poll(&state, 1, static_cast<int>(timeout.count())) == 1;
}

class WakeFdTest : public ClientTest {};

TEST_F(WakeFdTest, ALoopGetsEveryFrameAndMissesNoWakeUp) {
  Stream stream = open_moving({.mode = Mode::every, .wake_fd = true});
  uint64_t last = 0;
  for (int frames = 0; frames < 200;) {
    stream.arm();
    if (const auto frame = stream.next(0ns)) {
      EXPECT_GT(frame->sequence(), last);
      last = frame->sequence();
      ++frames;
      continue;
    }
    ASSERT_TRUE(readable(stream.wake_fd(), kLong)) << "after " << frames << " frames";
    stream.drain();
  }
}

TEST_F(WakeFdTest, ManyStreamsAreOnePoll) {
  std::vector<Stream> streams;
  std::vector<pollfd> fds;
  std::vector<int> frames(8);
  for (size_t i = 0; i < frames.size(); ++i) {
    streams.push_back(open_moving({.wake_fd = true}));
    fds.push_back({streams.back().wake_fd(), POLLIN, 0});
    streams.back().arm();
  }
  while (*std::min_element(frames.begin(), frames.end()) < 20) {
    ASSERT_GT(poll(fds.data(), fds.size(), 10'000), 0);
    for (size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].revents == 0) continue;
      streams[i].drain();
      streams[i].arm();
      while (streams[i].next(0ns)) ++frames[i];
    }
  }
}

TEST_F(WakeFdTest, WithoutBeingArmedItStaysQuiet) {
  Stream stream = open_moving({.wake_fd = true});
  const uint64_t sequence = stream.next(kLong)->sequence();
  stream.drain();
  let_pass(sequence, 10);
  EXPECT_FALSE(readable(stream.wake_fd(), 0ms));
  stream.arm();
  EXPECT_TRUE(readable(stream.wake_fd(), kLong));
  stream.drain();
  let_pass(sequence, 20);
  EXPECT_FALSE(readable(stream.wake_fd(), 0ms)) << "armed once is woken once";
}

TEST_F(WakeFdTest, TheDaemonsDeathIsReadable) {
  Stream still = open_still({.wake_fd = true});
  still.arm();
  ASSERT_FALSE(still.next(0ns));
  EXPECT_FALSE(readable(still.wake_fd(), 0ms));
  kill(daemon_.pid(), SIGKILL);
  EXPECT_TRUE(readable(still.wake_fd(), kLong));
  EXPECT_TRUE(soon([&] {
    try {
      still.next(0ns);
      return false;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::disconnected);
      return true;
    }
  }));
}

TEST_F(WakeFdTest, ClosingInAnotherThreadIsReadable) {
  Stream still = open_still({.wake_fd = true});
  const auto frame = still.latest(kLong);  // keeps the epoch mapped
  still.arm();
  EXPECT_FALSE(readable(still.wake_fd(), 0ms));
  const int fd = still.wake_fd();
  std::thread closing([&] { still.close(); });
  EXPECT_TRUE(readable(fd, kLong));
  closing.join();
  EXPECT_EQ(error_of([&] { still.next(0ns); }), ErrorCode::disconnected);
}

TEST_F(WakeFdTest, AStreamThatWasOpenedWithoutGetsOneWhenItIsAskedFor) {
  Stream stream = open_moving();
  EXPECT_EQ(error_of([&] { stream.arm(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] { stream.drain(); }), ErrorCode::invalid_argument);
  const auto before = stream.next(kLong);
  const int fd = stream.wake_fd();
  EXPECT_EQ(stream.wake_fd(), fd);
  stream.arm();
  EXPECT_TRUE(readable(fd, kLong));
  stream.drain();
  EXPECT_TRUE(before->valid());
  EXPECT_GT(stream.next(kLong)->sequence(), before->sequence());
}

}  // namespace
}  // namespace framering::testing
