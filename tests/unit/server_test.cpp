// Who is let in, how many, and what a list says.
#include "daemon/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <deque>

#include "tests/unit/open_fds.h"
#include "tests/unit/server_fixture.h"

namespace framering::daemon {
namespace {

using proto::ListReply;
using proto::ListRequest;
using proto::OpenRequest;
using ::testing::HasSubstr;
using testing::open_fds;

constexpr const char* kSource = "test:64x32@1";

class AdmissionTest : public ServerTest {
 protected:
  AdmissionTest() { add_stream(kSource).set_epoch(make_epoch()); }
};

class ForeignUserTest : public AdmissionTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
    start();
  }
};

TEST_F(ForeignUserTest, AnotherUserIsRefusedAndToldHowToBeLetIn) {
  Peer peer = connect(kForeigner);
  peer.expect_dropped(ErrorCode::kPermissionDenied, "user 65534 may not attach to this daemon");
  EXPECT_EQ(server_->session_count(), 0u);
  connect().greet();
}

TEST_F(ForeignUserTest, AnAllowedUserIsServedAndListedAsWhoItIs) {
  server_.reset();
  start({.allow_uids = {7, kForeigner}});
  Peer peer = connect(kForeigner);
  peer.greet("foreigner").open(kSource);
  const auto list = peer.ask<ListReply>(ListRequest{});
  ASSERT_EQ(list.streams.at(0).clients.size(), 1u);
  EXPECT_EQ(list.streams[0].clients[0].uid, kForeigner);
  EXPECT_EQ(list.streams[0].clients[0].name, "foreigner");
  connect(65533).expect_dropped(ErrorCode::kPermissionDenied, "user 65533");
}

TEST_F(ForeignUserTest, RootMayAttachToEverybodysDaemonAndEverybodyToHisOwn) {
  ASSERT_EQ(seteuid(kForeigner), 0);  // the daemon's user
  int ends[2];
  const int made = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
  const bool back = seteuid(0) == 0;
  ASSERT_TRUE(made == 0 && back);
  int roots[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, roots), 0);
  ASSERT_EQ(seteuid(kForeigner), 0);
  server_->admit(UniqueFd(ends[0]));
  server_->admit(UniqueFd(roots[0]));
  ASSERT_EQ(seteuid(0), 0);
  Peer(*this, UniqueFd(ends[1])).greet();
  Peer(*this, UniqueFd(roots[1])).greet();
}

TEST_F(ForeignUserTest, OneUserAtHisLimitsDoesNotKeepAnotherOut) {
  server_.reset();
  start({.allow_uids = {kForeigner}}, {.clients_per_uid = 2, .streams_per_uid = 1});
  Peer first = connect(kForeigner);
  Peer second = connect(kForeigner);
  first.greet().open(kSource);
  EXPECT_EQ(second.greet().ask<Error>(OpenRequest{kSource}).code, ErrorCode::kQuotaExceeded);
  connect(kForeigner).expect_dropped(ErrorCode::kQuotaExceeded, "too many clients of user 65534");
  connect().greet().open(kSource);
}

TEST_F(AdmissionTest, MoreClientsThanAUserMayHaveAreRefusedUntilOneLeaves) {
  start({}, {.clients_per_uid = 2});
  Peer first = connect();
  Peer second = connect();
  first.greet();
  second.greet();
  connect().expect_dropped(ErrorCode::kQuotaExceeded, "too many clients of user");
  first.hang_up();
  ASSERT_TRUE(run_until([&] { return server_->session_count() == 1; }));
  connect().greet();
  second.ask<ListReply>(ListRequest{});
}

TEST_F(AdmissionTest, WhoConnectsTooOftenIsToldSoAndMayComeBackLater) {
  start({}, {.connects_per_second = 1});
  // A refused client is told at once; to one that is let in nothing is said yet.
  std::deque<Peer> peers;
  const auto refused = [&] {
    peers.push_back(connect());
    return readable(peers.back().socket());
  };
  for (int i = 0; i < 1000 && !refused();) ++i;
  peers.back().expect_dropped(ErrorCode::kQuotaExceeded, "connects too often");
  ASSERT_TRUE(run_until([&] { return !refused(); }));
  peers.back().greet();
}

TEST_F(AdmissionTest, OpenStreamsAndLeasesOfAUserAreLimitedOverAllHisClients) {
  start({}, {.streams_per_uid = 3, .leases_per_uid = 10});
  Peer first = connect();
  Peer second = connect();
  first.greet();
  second.greet();
  const uint32_t id = first.open(kSource, 4).stream_id;
  second.open(kSource, 4);
  const auto leases = second.ask<Error>(OpenRequest{kSource, proto::MemoryKind::kAuto, 3});
  EXPECT_EQ(leases.code, ErrorCode::kQuotaExceeded);
  EXPECT_THAT(leases.message, HasSubstr("too many leases of user"));
  second.open(kSource, 1);
  const auto streams = first.ask<Error>(OpenRequest{kSource, proto::MemoryKind::kAuto, 1});
  EXPECT_EQ(streams.code, ErrorCode::kQuotaExceeded);
  EXPECT_THAT(streams.message, HasSubstr("too many open streams of user"));
  first.ask<proto::CloseReply>(proto::CloseRequest{id});
  second.open(kSource, 5);
}

TEST_F(AdmissionTest, ManyThatConnectAtOnceAreAllServed) {
  start();
  std::deque<Peer> peers;
  for (int i = 0; i < 60; ++i) {
    auto socket = proto::connect_socket(path_);
    ASSERT_TRUE(socket) << socket.error().text();
    peers.emplace_back(*this, *std::move(socket));
  }
  for (Peer& peer : peers) peer.greet();
  EXPECT_EQ(server_->session_count(), 60u);
}

TEST_F(AdmissionTest, WithoutDescriptorsItWaitsInsteadOfSpinningAndThenGoesOn) {
  start();
  spdlog::warn("UBSan needs descriptors when it meets the logger for the first time");
  Peer present = connect();
  present.greet();
  auto socket = proto::connect_socket(path_);
  ASSERT_TRUE(socket);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{static_cast<rlim_t>(UniqueFd(dup(present.socket())).get()), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  io_.restart();
  const size_t handlers = io_.run_for(std::chrono::milliseconds(450));
  present.ask<ListReply>(ListRequest{});  // needs no new descriptor
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GE(handlers, 1u);
  EXPECT_LE(handlers, 12u);
  Peer(*this, *std::move(socket)).greet();
}

TEST_F(AdmissionTest, AListNamesEveryStreamWithItsClients) {
  Stream& lost = add_stream("screen");
  lost.set_unavailable("no X server");
  start();
  Peer viewer = connect();
  viewer.greet("viewer").open(kSource, 3);
  viewer.open(kSource, 1);
  Peer idle = connect();
  const auto list = idle.greet("idle").ask<ListReply>(ListRequest{});
  ASSERT_EQ(list.streams.size(), 2u);
  const proto::StreamInfo& here = list.streams[0];
  EXPECT_EQ(here.source, kSource);
  EXPECT_TRUE(here.available);
  EXPECT_EQ(here.width, 64u);
  EXPECT_EQ(here.height, 32u);
  EXPECT_EQ(here.memory, proto::MemoryKind::kHost);
  EXPECT_EQ(here.slot_count, 8);
  EXPECT_EQ(here.client_count, 2u) << "one for each time that it is open";
  ASSERT_EQ(here.clients.size(), 2u);
  for (const proto::ClientInfo& client : here.clients) {
    EXPECT_EQ(client.name, "viewer");
    EXPECT_EQ(client.pid, static_cast<uint32_t>(getpid()));
    EXPECT_EQ(client.uid, geteuid());
    EXPECT_EQ(client.leases_held, 0);
  }
  EXPECT_FALSE(list.streams[1].available);
  EXPECT_EQ(list.streams[1].reason, "no X server");
  EXPECT_EQ(list.streams[1].client_count, 0u);
}

TEST_F(AdmissionTest, ALongListIsCutButCountsEverybody) {
  start();
  Peer peer = connect();
  peer.greet(std::string(proto::kMaxClientName, 'n'));
  const uint32_t count = proto::kMaxListedClients + 44;
  for (uint32_t i = 0; i < count; ++i) peer.open(kSource, 1);
  const auto list = peer.ask<ListReply>(ListRequest{});
  EXPECT_EQ(list.streams.at(0).client_count, count);
  EXPECT_EQ(list.streams[0].clients.size(), proto::kMaxListedClients);
}

TEST_F(AdmissionTest, WithoutAClientForTheIdleTimeItSaysSoButNeverWithOne) {
  using namespace std::chrono_literals;
  int idle = 0;
  start({.allow_uids = {}, .idle_time = 50ms, .on_idle = [&idle] { ++idle; }});
  EXPECT_TRUE(run_until([&] { return idle == 1; })) << "nobody ever came";
  const auto told = std::chrono::steady_clock::now();
  {
    Peer peer = connect();
    peer.greet();
    const int before = idle;
    EXPECT_TRUE(run_until([&] { return std::chrono::steady_clock::now() > told + 200ms; }));
    EXPECT_EQ(idle, before);
  }
  EXPECT_TRUE(run_until([&] { return idle >= 2; })) << "the last one left";
}

TEST_F(AdmissionTest, AServerThatEndsClosesEveryConnectionAndLeavesNothingBehind) {
  start();
  server_.reset();
  const size_t fds = open_fds();
  {
    start();
    std::vector<Peer> peers;
    for (int i = 0; i < 5; ++i) peers.push_back(connect());
    for (Peer& peer : peers) peer.greet().open(kSource);
    server_.reset();
    for (Peer& peer : peers) peer.expect_hung_up();
  }
  EXPECT_EQ(open_fds(), fds);
  EXPECT_FALSE(proto::connect_socket(path_));
  start();
}

}  // namespace
}  // namespace framering::daemon
