// A client that is stopped in the middle of its work, with all its leases.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "framering/framering.h"
#include "tests/support/child.h"
#include "tests/support/daemon_process.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kSource = "test:160x120@120";

TEST(StoppedClientTest, LosesItsLeasesAfterTheirTimeAndIsToldWhileOthersKeepTheirs) {
  constexpr auto kLease = 200ms;
  // Three slots, of which it holds two: beside them and the newest frame none is left to write to.
  DaemonProcess daemon({"--source", kSource, "--slots", "3", "--lease-ms", std::to_string(kLease.count())});
  int from_child[2], to_child[2];
  ASSERT_EQ(pipe(from_child), 0);
  ASSERT_EQ(pipe(to_child), 0);
  char byte = 0;
  Child stopped([&] {
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource, .mode = Mode::every});
    auto first = stream.next(5s);
    auto second = stream.next(5s);
    if (!first || !second || !second->valid()) return 1;
    if (write(from_child[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1) return 2;
    if (first->valid() || second->valid()) return 3;
    if (first->release() || second->release()) return 4;
    return stream.next(5s) ? 0 : 5;
  });
  ASSERT_EQ(read(from_child[0], &byte, 1), 1);
  stopped.kill(SIGSTOP);

  Connection connection = Connection::connect(daemon.socket());
  Stream stream = connection.open({.source = kSource});
  Stream third = connection.open({.source = kSource});
  const auto leases_broken = [&](pid_t pid) {
    const std::vector<StreamInfo> streams = connection.list();
    const auto& clients = streams.at(0).clients;
    const auto client = std::find_if(clients.begin(), clients.end(), [pid](const ClientInfo& info) {
      return info.pid == static_cast<uint32_t>(pid);
    });
    return client == clients.end() ? 0 : client->leases_broken;
  };
  ASSERT_TRUE(stream.next(5s));  // perhaps one that it holds too
  // Three frames at the same time, which take every slot.
  const auto begin = Clock::now();
  std::vector<Frame> held;
  for (int i = 0; i < 2; ++i) {
    auto frame = stream.next(5s);
    ASSERT_TRUE(frame);
    held.push_back(*std::move(frame));
  }
  for (const uint64_t newest = held.back().sequence(); held.size() < 3;) {
    auto frame = third.next(5s);
    ASSERT_TRUE(frame);
    if (frame->sequence() > newest) held.push_back(*std::move(frame));
  }
  EXPECT_EQ(leases_broken(stopped.pid()), 2u);
  for (Frame& frame : held) {
    if (!frame.release()) {
      EXPECT_GE(Clock::now() - begin, kLease) << "another client's lease was broken early";
    }
  }
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(stream.next(5s));

  stopped.kill(SIGCONT);
  ASSERT_EQ(write(to_child[1], &byte, 1), 1);
  EXPECT_EQ(stopped.wait(), 0);
}

}  // namespace
}  // namespace framering::testing
