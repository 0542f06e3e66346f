// A daemon of the test's own with two sources: one that moves, and one whose second frame comes after 100 s.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framering/framering.h"
#include "tests/support/daemon_process.h"
#include "tests/support/soon.h"

namespace framering::testing {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

inline constexpr const char* kMoving = "test:64x48@240";
inline constexpr const char* kStill = "test:64x48@0.01";
inline constexpr auto kLong = 10s;  // for what comes at once, on a busy machine too

// The code that the call throws; a failure if it throws none.
template <class Call>
std::optional<ErrorCode> error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return std::nullopt;
}

class ClientTest : public ::testing::Test {
 protected:
  explicit ClientTest(const std::vector<std::string>& arguments = {"--slots", "19"})
      : daemon_(with_sources(arguments)), connection_(Connection::connect(daemon_.socket())) {}

  Stream open_moving(OpenOptions options = {}) {
    options.source = kMoving;
    return connection_.open(options);
  }
  // Its only frame has been returned.
  Stream open_still(OpenOptions options = {}) {
    options.source = kStill;
    Stream stream = connection_.open(options);
    EXPECT_TRUE(stream.next(kLong));
    return stream;
  }
  // Returns once so many frames more than this one are there.
  void let_pass(uint64_t sequence, uint64_t count) {
    Stream watcher = open_moving();
    while (watcher.next(kLong)->sequence() < sequence + count) {
    }
  }
  // What the daemon knows of this process: one for each stream that is open.
  std::vector<ClientInfo> own_entries() {
    std::vector<ClientInfo> entries;
    Connection connection = Connection::connect(daemon_.socket());
    for (const StreamInfo& stream : connection.list()) {
      for (const ClientInfo& client : stream.clients) {
        if (client.pid == static_cast<uint32_t>(getpid())) entries.push_back(client);
      }
    }
    return entries;
  }
  uint32_t leases_held() {
    uint32_t held = 0;
    for (const ClientInfo& entry : own_entries()) held += entry.leases_held;
    return held;
  }

  DaemonProcess daemon_;
  Connection connection_;

 private:
  static std::vector<std::string> with_sources(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--source", kMoving, "--source", kStill});
    return arguments;
  }
};

}  // namespace framering::testing
