// Nothing that a client can write into its socket, or leave unread there, harms the daemon or another client.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "framering/framering.h"
#include "tests/support/daemon_process.h"
#include "tests/support/process_usage.h"
#include "tests/support/raw_client.h"
#include "tests/support/seed.h"
#include "tests/support/soon.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::byte>;

constexpr const char* kSource = "test:160x120@240";

void send_raw(const RawClient& client, const Bytes& bytes) {
  // A refusal is an answer too.
  [[maybe_unused]] const ssize_t sent =
      ::send(client.socket(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// True if the daemon hung up, whatever it said before, within 5 s.
bool is_dropped(const RawClient& client) {
  const auto end = std::chrono::steady_clock::now() + 5s;
  while (std::chrono::steady_clock::now() < end) {
    pollfd state{client.socket(), POLLIN, 0};
    if (poll(&state, 1, 5000) != 1) return false;
    char bytes[4096];
    const ssize_t got = recv(client.socket(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
  }
  return false;
}

class HostileMessageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    expect_frames();
    // The thread that looks at desktops is made for the first who asks, and stays.
    EXPECT_THROW(Connection::connect(daemon_.socket()).desktop(), Error) << "it has no display";
    before_ = settled_usage_of(daemon_.pid());
  }
  void TearDown() override {
    expect_frames();
    EXPECT_TRUE(soon([&] { return usage_of(daemon_.pid()) == before_; }))
        << usage_of(daemon_.pid()) << " instead of " << before_;
    EXPECT_TRUE(Connection::connect(daemon_.socket()).open({.source = kSource}).next(5s));
  }
  void expect_frames() {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(bystander_.next(5s));
  }

  RawClient greeted() {
    RawClient client(daemon_.socket());
    client.ask<proto::Welcome>(proto::Hello{});
    return client;
  }
  void expect_dropped(const Bytes& bytes) {
    const RawClient stranger(daemon_.socket());
    send_raw(stranger, bytes);
    EXPECT_TRUE(is_dropped(stranger));
    const RawClient client = greeted();
    send_raw(client, bytes);
    EXPECT_TRUE(is_dropped(client));
  }

  DaemonProcess daemon_{{"--source", kSource, "--slots", "12"}, "[quota]\nconnects_per_second = 100000\n"};
  Stream bystander_ = Connection::connect(daemon_.socket()).open({.source = kSource});
  ProcessUsage before_;
};

const std::vector<proto::Body> kRequests{proto::Hello{},
                                         proto::ListRequest{},
                                         proto::OpenRequest{kSource, proto::MemoryKind::kAuto, 2, 0, true},
                                         proto::CloseRequest{1},
                                         proto::DesktopRequest{},
                                         proto::WatchRequest{}};

TEST_F(HostileMessageTest, BytesThatAreNoMessageEndTheConnection) {
  std::mt19937 random(random_seed());
  for (const size_t size : {1, 4, 8, 100, 4096, 65536}) {
    Bytes bytes(size);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    expect_dropped(bytes);
    expect_dropped(Bytes(size));
  }
}

TEST_F(HostileMessageTest, APacketBeyondTheLimitEndsTheConnection) {
  expect_dropped(Bytes(proto::kMaxMessageBytes + 1));
  expect_dropped(Bytes(150'000));
}

TEST_F(HostileMessageTest, EveryTruncationOfARequestEndsTheConnection) {
  for (const proto::Body& request : kRequests) {
    const Bytes whole = proto::encode({1, request});
    for (size_t size = 1; size < whole.size(); size += 3) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      if (proto::decode(cut)) continue;  // behind the last field, nothing is missing
      const RawClient client(daemon_.socket());
      send_raw(client, cut);
      EXPECT_TRUE(is_dropped(client)) << size << " of " << whole.size() << " bytes";
    }
  }
}

// Most of them are messages still, some are good ones: what counts is that the daemon stays well.
TEST_F(HostileMessageTest, ChangedBitsInRequestsHarmNobody) {
  std::mt19937 random(random_seed());
  for (int i = 0; i < 1000; ++i) {
    RawClient client(daemon_.socket());
    for (int request = 0; request < 4; ++request) {
      Bytes bytes = proto::encode({static_cast<uint32_t>(request), kRequests[random() % kRequests.size()]});
      if (request == 0 && i % 2 == 0) bytes = proto::encode({0, proto::Hello{}});
      for (uint32_t change = random() % 4; change > 0 && request > 0; --change) {
        bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << random() % 8);
      }
      send_raw(client, bytes);
      pollfd state{client.socket(), POLLIN, 0};
      if (poll(&state, 1, 5000) != 1) break;
      if (const auto answer = proto::receive_packet(client.socket());
          !answer || answer->state != proto::ReceiveState::kPacket) {
        break;
      }
    }
  }
}

TEST_F(HostileMessageTest, MessagesOutOfOrderEndTheConnection) {
  const std::vector<proto::Body> answers{proto::Welcome{},    proto::ListReply{}, proto::OpenReply{},
                                         proto::CloseReply{}, proto::Error{},     proto::DesktopReply{},
                                         proto::WatchReply{}};
  for (const proto::Body& request : std::vector(kRequests.begin() + 1, kRequests.end())) {
    const RawClient stranger(daemon_.socket());
    send_raw(stranger, proto::encode({1, request}));
    EXPECT_TRUE(is_dropped(stranger)) << "a request before the greeting";
  }
  const RawClient again = greeted();
  send_raw(again, proto::encode({2, proto::Hello{}}));
  EXPECT_TRUE(is_dropped(again)) << "a second greeting";
  for (const proto::Body& answer : answers) {
    RawClient client = greeted();
    client.send(answer);
    EXPECT_TRUE(std::holds_alternative<proto::Error>(client.receive()));
  }
}

TEST_F(HostileMessageTest, AStreamThatIsNotOpenCannotBeClosed) {
  RawClient client = greeted();
  const auto reply = client.ask<proto::OpenReply>(kRequests[2]);
  for (const uint32_t id : {reply.stream_id + 1, 0u, UINT32_MAX}) {
    client.send(proto::CloseRequest{id});
    EXPECT_EQ(std::get<proto::Error>(client.receive()).code, proto::ErrorCode::kNotFound) << id;
  }
  client.ask<proto::CloseReply>(proto::CloseRequest{reply.stream_id});
  client.send(proto::CloseRequest{reply.stream_id});
  EXPECT_EQ(std::get<proto::Error>(client.receive()).code, proto::ErrorCode::kNotFound) << "closed twice";
}

TEST_F(HostileMessageTest, DescriptorsFromAClientAreClosedAndEndTheConnection) {
  const proto::UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const size_t count : {size_t{1}, proto::kMaxMessageFds}) {
    const RawClient client = greeted();
    const std::vector<int> fds(count, file.get());
    ASSERT_TRUE(proto::send_packet(client.socket(), proto::encode({2, proto::ListRequest{}}), fds));
    EXPECT_TRUE(is_dropped(client));
  }
}

TEST_F(HostileMessageTest, AClientThatDoesNotReadIsDropped) {
  const RawClient client = greeted();
  for (int i = 0; i < 100; ++i) send_raw(client, proto::encode({2, proto::ListRequest{}}));
  EXPECT_TRUE(is_dropped(client));
}

TEST_F(HostileMessageTest, AClientThatDoesNotGreetIsDropped) {
  std::vector<RawClient> silent;
  for (int i = 0; i < 20; ++i) silent.emplace_back(daemon_.socket());
  for (const RawClient& client : silent) EXPECT_TRUE(is_dropped(client));
}

}  // namespace
}  // namespace framering::testing
