// Clients that come and go, in every way, for a while: whoever stays is served as before, and nothing grows.
// FRAMERING_SOAK_SECONDS says for how long.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "framering/framering.h"
#include "tests/support/child.h"
#include "tests/support/daemon_process.h"
#include "tests/support/process_usage.h"
#include "tests/support/seed.h"
#include "tests/support/soon.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kMoving = "test:320x240@60";
constexpr const char* kOnDemand = "test:64x48@30";
constexpr size_t kClients = 64;
constexpr uint64_t kMoreMemoryKib = 4096;  // what an allocator may keep

// Some frames, held or not, of one stream or two, and an end: by returning, by a crash, or not at all.
int live(const std::string& socket, uint32_t seed) {
  std::mt19937 random(seed);
  Connection connection = Connection::connect(socket);
  const auto open = [&](const char* source) {
    return connection.open({.source = source,
                            .mode = random() % 2 == 0 ? Mode::latest : Mode::every,
                            .max_leases = 1 + static_cast<uint32_t>(random() % 2),
                            .wake_fd = random() % 2 == 0});
  };
  Stream stream = open(kMoving);
  std::optional<Stream> second;
  if (random() % 4 == 0) second = open(kOnDemand);
  std::optional<Frame> held;
  for (uint32_t left = 1 + random() % 60; left > 0; --left) {
    held.reset();
    held = stream.next(20s);
    if (!held || (second && !second->next(20s))) return 1;
    if (random() % 2 == 0) held->release();
  }
  switch (random() % 3) {
    case 0:
      return 0;
    case 1:
      raise(SIGKILL);
      [[fallthrough]];
    default:
      pause();  // with what it holds, until it is killed
      return 0;
  }
}

TEST(SoakTest, ChurningClientsChangeNothingForWhoStaysAndLeaveNothingBehind) {
  const char* given = std::getenv("FRAMERING_SOAK_SECONDS");
  const std::chrono::seconds duration(given ? std::atoi(given) : 4);
  DaemonProcess daemon({"--source", kMoving, "--slots", "16", "--lease-ms", "500", "--linger-ms", "100"},
                       "[quota]\nconnects_per_second = 100000\n");
  std::mt19937 random(random_seed());
  std::fflush(stdout);  // or each client prints it once more
  Connection connection = Connection::connect(daemon.socket());
  Stream bystander = connection.open({.source = kMoving});
  std::vector<std::optional<Child>> clients(kClients);
  std::vector<Clock::time_point> until(kClients);
  uint64_t lives = 0, frames = 0;
  // Killed, if it has not ended by itself; whatever else ends a client is a fault.
  const auto end_one = [](std::optional<Child>& client) {
    client->kill(SIGKILL);
    const int code = client->wait();
    EXPECT_TRUE(code == 0 || code == 128 + SIGKILL) << "a client ended with " << code;
    client.reset();
  };
  const auto churn = [&](Clock::time_point end) {
    while (Clock::now() < end) {
      for (size_t i = 0; i < kClients; ++i) {
        if (clients[i] && Clock::now() > until[i]) end_one(clients[i]);
        if (clients[i]) continue;
        const auto seed = static_cast<uint32_t>(random());
        clients[i].emplace([&daemon, seed] { return live(daemon.socket(), seed); });
        until[i] = Clock::now() + std::chrono::milliseconds(200 + random() % 1500);
        ++lives;
      }
      for (int i = 0; i < 3; ++i, ++frames) ASSERT_TRUE(bystander.next(20s));
    }
  };
  const auto end_all = [&] {
    for (auto& client : clients) {
      if (client) end_one(client);
    }
    EXPECT_TRUE(soon([&] {
      const std::vector<StreamInfo> streams = connection.list();
      return streams.size() == 1 && streams[0].client_count == 1;
    }));
  };

  churn(Clock::now() + 2s);  // until every cache is warm
  end_all();
  const ProcessUsage before = settled_usage_of(daemon.pid());
  const uint64_t memory_kib = private_memory_kib(daemon.pid());
  churn(Clock::now() + duration);
  end_all();
  EXPECT_TRUE(soon([&] { return usage_of(daemon.pid()) == before; }))
      << usage_of(daemon.pid()) << " instead of " << before;
  EXPECT_LT(private_memory_kib(daemon.pid()), memory_kib + kMoreMemoryKib);
  std::printf("%lu lives of clients, %lu frames beside them; memory %lu KiB, then %lu KiB\n", lives, frames,
              memory_kib, private_memory_kib(daemon.pid()));
}

}  // namespace
}  // namespace framering::testing
