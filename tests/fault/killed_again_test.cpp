// A daemon that is killed again and again under many clients: each is told and finds the next one, and
// nothing piles up. FRAMERING_DAEMON_KILLS says how often.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "framering/framering.h"
#include "tests/support/child.h"
#include "tests/support/daemon_process.h"
#include "tests/support/process_usage.h"
#include "tests/support/soon.h"
#include "tests/support/spans.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kMoving = "test:320x240@120";
constexpr size_t kClients = 32;
constexpr int kFewKills = 5;

// What a client tells of itself; in memory that it shares with the test.
struct Told {
  std::atomic<uint32_t> attached{0};  // how often so far, with a frame
  std::atomic<int64_t> lost{0};       // when it was told last
  std::atomic<int64_t> back{0};       // when it had a frame again
};

int64_t now() {
  return Clock::now().time_since_epoch().count();
}

// Reads, half of the clients with frames in their hands, until the daemon is gone; then finds the next one.
int live(const std::string& socket, Told& told, bool holds) {
  std::vector<Frame> held;
  for (;;) {
    try {
      Stream stream = Connection::connect(socket).open({.source = kMoving});
      bool is_first = true;
      for (;;) {
        auto frame = stream.next(10s);
        if (!frame) return 1;
        if (std::exchange(is_first, false)) {
          told.back = now();
          ++told.attached;
        }
        if (holds && held.empty()) held.push_back(*std::move(frame));
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::disconnected) {
        told.lost = now();
        held.clear();
      } else if (error.code() != ErrorCode::unavailable) {
        std::fprintf(stderr, "client: %s\n", error.what());
        return 2;
      }
      std::this_thread::sleep_for(5ms);  // as whoever tries again does
    }
  }
}

// What a daemon could leave behind where others see it.
std::set<std::string> leavings() {
  std::set<std::string> found;
  for (const char* folder : {"/dev/shm", "/run/framering"}) {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
      const std::string path = entry.path();
      if (path.find("framering") != std::string::npos) found.insert(path);
    }
  }
  return found;
}

TEST(KilledAgainTest, AllClientsAreToldAndAttachToTheNextOneAndNothingIsLeftBehind) {
  const char* many = std::getenv("FRAMERING_DAEMON_KILLS");
  const int kills = many ? std::atoi(many) : kFewKills;
  const auto leavings_before = leavings();
  DaemonProcess daemon({"--source", kMoving});
  auto* told =
      new (mmap(nullptr, kClients * sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
          Told[kClients];
  std::vector<Child> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.emplace_back([&daemon, &one = told[i], i] { return live(daemon.socket(), one, i % 2 == 0); });
  }
  const auto all_attached = [&](uint32_t times) {
    return soon([&] {
      return std::all_of(told, told + kClients, [&](const Told& one) { return one.attached >= times; });
    });
  };

  ProcessUsage client_before;
  std::vector<int64_t> until_told, until_back;
  for (int kill = 0; kill < kills; ++kill) {
    ASSERT_TRUE(all_attached(static_cast<uint32_t>(kill) + 1)) << "after " << kill << " kills";
    if (kill == 1) client_before = settled_usage_of(clients[0].pid());
    const int64_t killed = now();
    ASSERT_TRUE(WIFSIGNALED(daemon.end(SIGKILL)));
    ASSERT_TRUE(soon([&] {
      return std::all_of(told, told + kClients, [&](const Told& one) { return one.lost > killed; });
    }));
    daemon.start();
    const int64_t started = now();
    ASSERT_TRUE(all_attached(static_cast<uint32_t>(kill) + 2));
    for (size_t i = 0; i < kClients; ++i) {
      until_told.push_back(told[i].lost - killed);
      until_back.push_back(std::max<int64_t>(told[i].back - started, 0));
    }
  }
  print_spans("told", until_told);
  print_spans("attached again", until_back);
  EXPECT_EQ(settled_usage_of(clients[0].pid()), client_before) << "what a client has does not grow";
  for (Child& client : clients) {
    client.kill(SIGKILL);
    EXPECT_EQ(client.wait(), 128 + SIGKILL);
  }
  daemon.end(SIGTERM);
  EXPECT_EQ(leavings(), leavings_before);
  munmap(told, kClients * sizeof(Told));
}

}  // namespace
}  // namespace framering::testing
