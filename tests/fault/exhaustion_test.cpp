// Whoever takes more than there is gets an error that says so, and the others go on undisturbed.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <future>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "framering/framering.h"
#include "tests/support/daemon_process.h"
#include "tests/support/process_usage.h"
#include "tests/support/soon.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSource = "test:160x120@120";
constexpr const char* kQuota = R"(
[quota]
clients_per_uid = 8
streams_per_uid = 20
leases_per_uid = 64
connects_per_second = 40
)";

// Runs `call` until it throws; the error is one of this quota.
template <class Call>
void expect_quota(Call&& call, const std::string& says) {
  try {
    for (int i = 0; i < 1000; ++i) call();
    ADD_FAILURE() << "no limit on " << says;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::quota_exceeded) << error.what();
    EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
    EXPECT_FALSE(error.hint().empty());
  }
}

class ExhaustionTest : public ::testing::Test {
 protected:
  // Of a client that was there before.
  void expect_frames(int count = 20) {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(bystander_.next(5s));
  }
  // Where connecting too often is not what is tested.
  Connection connect() {
    std::optional<Connection> connection;
    EXPECT_TRUE(soon([&] {
      try {
        connection = Connection::connect(daemon_.socket());
        return true;
      } catch (const Error& error) {
        if (std::string(error.what()).find("too often") == std::string::npos) throw;
        return false;
      }
    }));
    return *std::move(connection);
  }

  DaemonProcess daemon_{{"--source", kSource, "--slots", "24"}, kQuota};
  Stream bystander_ = Connection::connect(daemon_.socket()).open({.source = kSource});
};

TEST_F(ExhaustionTest, TooManyClientsAreRefusedUntilOneLeaves) {
  std::vector<Connection> clients;
  expect_quota([&] { clients.push_back(connect()); }, "too many clients");
  EXPECT_EQ(clients.size(), 7u);
  expect_frames();
  EXPECT_FALSE(clients.back().list().empty());
  clients.pop_back();
  EXPECT_TRUE(soon([&] {
    try {
      clients.push_back(Connection::connect(daemon_.socket()));
      return true;
    } catch (const Error&) {
      return false;
    }
  }));
}

TEST_F(ExhaustionTest, TooManyStreamsAreRefusedUntilOneIsClosed) {
  Connection client = connect();
  std::vector<Stream> streams;
  expect_quota([&] { streams.push_back(client.open({.source = kSource, .max_leases = 1})); },
               "too many open streams");
  EXPECT_EQ(streams.size(), 19u);
  expect_frames();
  EXPECT_TRUE(streams.back().next(5s));
  streams.pop_back();
  streams.push_back(client.open({.source = kSource, .max_leases = 1}));
}

TEST_F(ExhaustionTest, TooManyLeasesAreRefusedUntilOthersAreGivenBack) {
  Connection client = connect();
  std::vector<Stream> streams;
  expect_quota([&] { streams.push_back(client.open({.source = kSource, .max_leases = 16})); },
               "too many leases");
  EXPECT_EQ(streams.size(), 3u);
  expect_frames();
  streams.push_back(client.open({.source = kSource, .max_leases = 14}));
  EXPECT_TRUE(streams.back().next(5s));
}

TEST_F(ExhaustionTest, ConnectingTooOftenIsRefusedForAMoment) {
  expect_quota([&] { Connection::connect(daemon_.socket()); }, "connects too often");
  expect_frames();
  connect();
}

class DescriptorsTest : public ExhaustionTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, nullptr, &usual_), 0);
    // Those who knocked to see whether it had started are still being forgotten.
    expect_frames();
    settled_usage_of(daemon_.pid());
  }

  // As many more than it has now.
  void leave_descriptors(size_t room) {
    std::set<rlim_t> taken;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(daemon_.pid()) + "/fd")) {
      taken.insert(std::stoul(entry.path().filename()));
    }
    rlim_t limit = 0;
    for (size_t free = 0; free < room || taken.contains(limit); ++limit) free += !taken.contains(limit);
    const rlimit tight{limit, usual_.rlim_max};
    ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, &tight, nullptr), 0);
  }
  void lift_limit() { ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, &usual_, nullptr), 0); }

  // What the daemon takes of a processor while it publishes so many frames.
  std::chrono::milliseconds cpu_time_of_frames(int count) {
    const auto before = cpu_time_of(daemon_.pid());
    expect_frames(count);
    return cpu_time_of(daemon_.pid()) - before;
  }

  rlimit usual_{};
};

TEST_F(DescriptorsTest, AClientThatFindsNoneIsServedOnceThereAreSomeAndTheDaemonDoesNotSpin) {
  constexpr int kFrames = 120;  // of a second, in which a daemon that spins takes far more than this:
  constexpr auto kMuch = 150ms;
  const auto usual = cpu_time_of_frames(kFrames);
  leave_descriptors(0);
  auto waiting = std::async(std::launch::async, [this] { return Connection::connect(daemon_.socket()); });
  const auto starved = cpu_time_of_frames(kFrames);
  std::printf("processor time for %d frames: %ld ms, without descriptors %ld ms\n", kFrames,
              static_cast<long>(usual.count()), static_cast<long>(starved.count()));
  EXPECT_LT(starved, 2 * usual + kMuch);
  EXPECT_EQ(waiting.wait_for(0s), std::future_status::timeout);
  lift_limit();
  EXPECT_TRUE(waiting.get().open({.source = kSource}).next(5s));
}

// Socket and pidfd of the connection, then the pages and pipes of the stream and what is sent of them.
TEST_F(DescriptorsTest, AClientForWhichThereAreTooFewIsToldAndTakesNone) {
  constexpr size_t kEnough = 12;
  for (size_t room = 1; room <= kEnough; ++room) {
    SCOPED_TRACE("room for " + std::to_string(room));
    const ProcessUsage before = settled_usage_of(daemon_.pid());
    leave_descriptors(room);
    try {
      EXPECT_TRUE(connect().open({.source = kSource, .wake_fd = true}).next(5s));
      EXPECT_GT(room, 2u);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << error.what();
      EXPECT_LT(room, kEnough);
    }
    expect_frames();
    EXPECT_TRUE(soon([&] { return usage_of(daemon_.pid()) == before; }));
    lift_limit();
  }
}

}  // namespace
}  // namespace framering::testing
