// One client, from its greeting until its process is dead: what it may ask, and what happens when it does
// otherwise.
#include "daemon/session.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/support/child.h"
#include "tests/support/raw_client.h"
#include "tests/unit/open_fds.h"
#include "tests/unit/server_fixture.h"

namespace framering::daemon {
namespace {

using proto::CloseReply;
using proto::CloseRequest;
using proto::FdRole;
using proto::Hello;
using proto::ListReply;
using proto::ListRequest;
using proto::MemoryKind;
using proto::OpenReply;
using proto::OpenRequest;
using proto::Welcome;
using testing::Child;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::open_fds;
using testing::RawClient;

constexpr const char* kSource = "test:64x32@1";

class SessionTest : public ServerTest {
 protected:
  void SetUp() override {
    add_stream(kSource).set_epoch(epoch_);
    start();
  }
  size_t readers() const { return epoch_->readers.snapshot()->size(); }
  uint32_t leases_claimed() const {
    uint32_t count = 0;
    const auto readers = epoch_->readers.snapshot();
    for (const ReaderEntry& entry : *readers) count += entry.reader->leases_claimed();
    return count;
  }

  const std::shared_ptr<Epoch> epoch_ = make_epoch(7);
};

TEST_F(SessionTest, AGreetingIsAnsweredWithWhoIsHere) {
  const auto welcome = connect().ask<Welcome>(Hello{proto::kProtocolVersion, "viewer"});
  EXPECT_EQ(welcome.protocol_version, proto::kProtocolVersion);
  EXPECT_EQ(welcome.daemon_version, FRAMERING_VERSION);
  EXPECT_EQ(welcome.daemon_pid, static_cast<uint32_t>(getpid()));
}

TEST_F(SessionTest, WhoDoesNotGreetIsDroppedAfterTwoSecondsAndWhoDidIsNot) {
  const auto begin = std::chrono::steady_clock::now();
  Peer greeted = connect();
  greeted.greet();
  Peer silent = connect();
  silent.expect_dropped(ErrorCode::kTimeout, "no greeting within 2 s");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(proto::kHandshakeTimeoutMs));
  EXPECT_EQ(greeted.ask<ListReply>(ListRequest{}).streams.size(), 1u);
  EXPECT_EQ(server_->session_count(), 1u);
}

TEST_F(SessionTest, NothingIsServedBeforeTheGreeting) {
  for (const Body& body : {Body(ListRequest{}), Body(OpenRequest{kSource}), Body(CloseRequest{}),
                           Body(Welcome{}), Body(Error{})}) {
    Peer peer = connect();
    peer.send(body);
    peer.expect_dropped(ErrorCode::kProtocol, "the first message must be a greeting");
  }
  EXPECT_EQ(readers(), 0u);
  EXPECT_TRUE(run_until([&] { return server_->session_count() == 0; }));
}

TEST_F(SessionTest, ASecondGreetingIsRefused) {
  Peer peer = connect();
  peer.greet().send(Hello{});
  peer.expect_dropped(ErrorCode::kProtocol, "a second greeting");
}

TEST_F(SessionTest, AnotherProtocolVersionIsToldWhatIsSpokenHere) {
  for (const uint16_t version : {0, 2, 65535}) {
    Peer peer = connect();
    const auto error = peer.ask<Error>(Hello{version, "newer"});
    EXPECT_EQ(error.code, ErrorCode::kVersion);
    EXPECT_THAT(error.message, HasSubstr("the client speaks protocol " + std::to_string(version)));
    EXPECT_THAT(error.message, HasSubstr("speaks 1"));
    EXPECT_THAT(error.hint, HasSubstr(FRAMERING_VERSION));
    peer.expect_hung_up();
  }
}

TEST_F(SessionTest, BytesThatAreNoMessageDropTheClient) {
  Peer peer = connect();
  peer.greet().send_bytes(std::vector<std::byte>(100, std::byte{0xff}));
  peer.expect_dropped(ErrorCode::kProtocol, "malformed message");
}

TEST_F(SessionTest, AFieldOutOfRangeDropsTheClientAndNamesTheRange) {
  Peer peer = connect();
  OpenRequest request{kSource};
  request.max_leases = proto::kMaxLeases + 1;
  peer.greet().send(request);
  peer.expect_dropped(ErrorCode::kInvalidArgument, "max_leases: 1 to 16");
  EXPECT_EQ(readers(), 0u);
}

TEST_F(SessionTest, AClientsBellCallsThePumpOfItsStreamForAsLongAsItIsOpen) {
  Peer peer = connect();
  const auto reply = peer.greet().open(kSource);
  const proto::UniqueFd bell(dup(peer.fds().at(3).get()));
  const auto ring = [&] {
    const uint64_t one = 1;
    ASSERT_EQ(write(bell.get(), &one, sizeof one), 8);
  };
  EXPECT_FALSE(epoch_->bells.take());
  for (int i = 0; i < 3; ++i) {
    ring();
    ring();
    EXPECT_TRUE(readable(epoch_->bells.fd()));
    EXPECT_TRUE(epoch_->bells.take());
    EXPECT_FALSE(epoch_->bells.take()) << "once";
  }
  peer.ask<CloseReply>(CloseRequest{reply.stream_id});
  ring();
  EXPECT_FALSE(epoch_->bells.take());
}

TEST_F(SessionTest, MessagesOfADaemonAreNoRequests) {
  Peer peer = connect();
  peer.greet();
  OpenReply reply;
  reply.max_leases = 1;
  for (const Body& body :
       {Body(Welcome{}), Body(ListReply{}), Body(reply), Body(CloseReply{}), Body(Error{})}) {
    const auto error = peer.ask<Error>(body);
    EXPECT_EQ(error.code, ErrorCode::kProtocol);
    EXPECT_EQ(error.message, "a client sends requests only");
  }
}

TEST_F(SessionTest, DescriptorsFromAClientDropItAndAreClosed) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  Peer peer = connect();
  peer.greet().send_bytes(proto::encode({1, ListRequest{}}), {in.get(), in.get()});
  in.reset();
  peer.expect_dropped(ErrorCode::kProtocol, "a client sends no descriptors");
  char byte;
  EXPECT_EQ(read(out.get(), &byte, 1), 0) << "no copy of the pipe's other end is left";
}

TEST_F(SessionTest, WhoDoesNotReadItsAnswerGetsNoSecondOne) {
  Peer peer = connect();
  peer.greet();
  peer.send(ListRequest{});
  peer.send(OpenRequest{kSource});
  EXPECT_TRUE(run_until([&] { return server_->session_count() == 0; }));
  EXPECT_TRUE(std::holds_alternative<ListReply>(peer.receive()->body));
  peer.expect_hung_up();
  EXPECT_EQ(readers(), 0u);
}

TEST_F(SessionTest, AnUnknownSourceIsAnsweredWithThoseThatThereAre) {
  Peer peer = connect();
  const auto error = peer.greet().ask<Error>(OpenRequest{"screen 2"});
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.message, "source \"screen 2\": there is no such kind of source");
  EXPECT_THAT(error.hint, HasSubstr("monitor:NAME"));
  EXPECT_EQ(peer.ask<Error>(OpenRequest{"screen"}).message, "there is no source screen here");
}

TEST_F(SessionTest, ASourceIsFoundByAnySpellingOfItsName) {
  Peer peer = connect();
  EXPECT_EQ(peer.greet().open("test:64x32@1.0").epoch, 7u);
  EXPECT_EQ(peer.open("test:064x32@1e0").epoch, 7u);
}

TEST_F(SessionTest, AnExplicitMemoryKindNeverFallsBack) {
  Peer peer = connect();
  peer.greet();
  for (const MemoryKind memory : {MemoryKind::kCuda, MemoryKind::kCudaIpc}) {
    const auto error = peer.ask<Error>(OpenRequest{kSource, memory});
    EXPECT_EQ(error.code, ErrorCode::kMemoryUnavailable);
    EXPECT_THAT(error.message,
                HasSubstr("in host memory, not in " + std::string(proto::memory_name(memory))));
    EXPECT_TRUE(peer.fds().empty());
  }
  EXPECT_EQ(readers(), 0u) << "what was refused is not attached";
  for (const MemoryKind memory : {MemoryKind::kAuto, MemoryKind::kHost}) {
    EXPECT_EQ(peer.ask<OpenReply>(OpenRequest{kSource, memory}).memory, MemoryKind::kHost);
  }
}

TEST_F(SessionTest, AnOpenStreamComesWithItsDescriptorsAndFacts) {
  Peer peer = connect();
  const auto reply = peer.greet().open(kSource, 5);
  EXPECT_EQ(reply.layout_version, proto::kLayoutVersion);
  EXPECT_EQ(reply.epoch, 7u);
  EXPECT_EQ(reply.lease_ms, 250u);
  EXPECT_EQ(reply.max_leases, 5);
  ASSERT_THAT(reply.fd_roles, ElementsAre(FdRole::kControl, FdRole::kPixels, FdRole::kLease, FdRole::kBell));
  ASSERT_EQ(peer.fds().size(), 4u);
  const uint64_t sizes[] = {reply.control_bytes, reply.region_bytes, proto::kLeaseBytes};
  const int access[] = {O_RDONLY, O_RDONLY, O_RDWR};
  for (size_t i = 0; i < 3; ++i) {
    struct stat info {};
    ASSERT_EQ(fstat(peer.fds()[i].get(), &info), 0);
    EXPECT_EQ(static_cast<uint64_t>(info.st_size), sizes[i]);
    EXPECT_EQ(fcntl(peer.fds()[i].get(), F_GETFL) & O_ACCMODE, access[i]);
  }
  EXPECT_EQ(epoch_->readers.snapshot()->at(0).leases.size(), 5u);
}

TEST_F(SessionTest, AWakePipeIsGivenToWhoAsksForOne) {
  Peer peer = connect();
  OpenRequest request{kSource};
  request.wake_pipe = true;
  const auto reply = peer.greet().ask<OpenReply>(request);
  ASSERT_THAT(reply.fd_roles, ElementsAre(FdRole::kControl, FdRole::kPixels, FdRole::kLease, FdRole::kBell,
                                          FdRole::kWakePipe));
  ASSERT_EQ(peer.fds().size(), 5u);
  const int pipe_end = peer.fds()[4].get();
  EXPECT_FALSE(readable(pipe_end));
  epoch_->readers.snapshot()->at(0).reader->page()->armed.store(1);
  epoch_->publisher.notify();
  EXPECT_TRUE(run_until([&] { return readable(pipe_end); }));
}

TEST_F(SessionTest, ASourceThatIsGoneIsUnavailableWithItsReasonUntilItIsBack) {
  Peer peer = connect();
  peer.greet();
  streams_[0]->set_unavailable("the X server at :1 is gone");
  const auto error = peer.ask<Error>(OpenRequest{kSource});
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("the X server at :1 is gone"));
  const auto list = peer.ask<ListReply>(ListRequest{});
  EXPECT_FALSE(list.streams.at(0).available);
  EXPECT_EQ(list.streams.at(0).reason, "the X server at :1 is gone");

  streams_[0]->set_epoch(make_epoch(8));
  EXPECT_EQ(peer.open(kSource).epoch, 8u);
}

TEST_F(SessionTest, EachOpenStreamIsClosedByItsOwnNumberOnce) {
  Peer peer = connect();
  peer.greet();
  const uint32_t first = peer.open(kSource).stream_id;
  const uint32_t second = peer.open(kSource).stream_id;
  EXPECT_NE(first, second);
  EXPECT_EQ(readers(), 2u);
  peer.ask<CloseReply>(CloseRequest{first});
  EXPECT_EQ(readers(), 1u);
  for (const uint32_t id : {first, second + 1, 0u}) {
    const auto error = peer.ask<Error>(CloseRequest{id});
    EXPECT_EQ(error.code, ErrorCode::kNotFound);
    EXPECT_EQ(error.message, "stream " + std::to_string(id) + " is not open here");
  }
  Peer other = connect();
  EXPECT_EQ(other.greet().ask<Error>(CloseRequest{second}).code, ErrorCode::kNotFound) << "another client's";
  EXPECT_EQ(readers(), 1u);
  peer.ask<CloseReply>(CloseRequest{second});
  EXPECT_EQ(readers(), 0u);
}

TEST_F(SessionTest, AClosedConnectionLeavesNothingBehindWhereNothingIsOpen) {
  const size_t fds = open_fds();
  {
    Peer peer = connect();
    peer.greet();
    const auto reply = peer.open(kSource);
    peer.ask<CloseReply>(CloseRequest{reply.stream_id});
  }
  EXPECT_TRUE(run_until([&] { return server_->session_count() == 0; }));
  EXPECT_EQ(open_fds(), fds);
}

TEST_F(SessionTest, AProcessThatHungUpKeepsItsLeasesButAsksForNoFrames) {
  Peer peer = connect();
  peer.greet().open(kSource);
  epoch_->readers.snapshot()->at(0).reader->page()->leases[0].store(proto::FrameRef{1, 1}.pack());
  EXPECT_EQ(epoch_->readers.subscribers(), 1u);
  peer.hang_up();
  EXPECT_TRUE(run_until([&] { return epoch_->readers.subscribers() == 0; }));
  EXPECT_EQ(leases_claimed(), 1u) << "it may still read what it has mapped";
  EXPECT_EQ(server_->session_count(), 1u);
}

TEST_F(SessionTest, ADroppedClientKeepsItsLeasesUntilItIsDead) {
  Peer peer = connect();
  peer.greet().open(kSource);
  epoch_->readers.snapshot()->at(0).reader->page()->leases[0].store(proto::FrameRef{1, 1}.pack());
  peer.send_bytes(std::vector<std::byte>(100));
  peer.expect_dropped(ErrorCode::kProtocol, "malformed");
  EXPECT_EQ(epoch_->readers.subscribers(), 0u);
  EXPECT_EQ(readers(), 1u);
}

// A client process that holds a lease, until it is told to go on.
class DyingClientTest : public SessionTest {
 protected:
  void run_child(const std::function<int()>& then) {
    int ready[2], go[2];
    ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
    go_ = UniqueFd(go[1]);
    const UniqueFd ready_out(ready[0]), ready_in(ready[1]), go_out(go[0]);
    child_.emplace([&] {
      go_.reset();
      client_.emplace(path_);
      const OpenReply reply = client_->open(kSource, 2);
      auto* page = static_cast<proto::LeasePage*>(mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE,
                                                       MAP_SHARED, client_->fd(reply, FdRole::kLease), 0));
      if (page == MAP_FAILED) return 97;
      page->leases[0].store(proto::FrameRef{1, 1}.pack());
      char byte = 'x';
      if (write(ready_in.get(), &byte, 1) != 1 || read(go_out.get(), &byte, 1) != 0) return 96;
      return then();
    });
    ASSERT_TRUE(run_until([&] { return readable(ready_out.get()); }));
    ASSERT_EQ(leases_claimed(), 1u);
  }
  void expect_everything_freed() {
    EXPECT_TRUE(run_until([&] { return readers() == 0 && server_->session_count() == 0; }));
  }

  UniqueFd go_;
  std::optional<RawClient> client_;  // in the child
  std::optional<Child> child_;
};

TEST_F(DyingClientTest, AKilledClientsLeasesAreFreed) {
  run_child([] { return 0; });
  child_->kill(SIGKILL);
  expect_everything_freed();
}

TEST_F(DyingClientTest, AClientThatExitsIsFreedToo) {
  run_child([] { return 0; });
  go_.reset();
  expect_everything_freed();
  EXPECT_EQ(child_->wait(), 0);
}

// Its socket never hangs up: death is the process's.
TEST_F(DyingClientTest, AClientIsDeadThoughAForkedChildHoldsItsSocket) {
  int held[2];
  ASSERT_EQ(pipe(held), 0);
  run_child([&] {
    if (fork() != 0) return 0;
    close(held[0]);
    // The daemon ends the connection for whoever holds a copy of it.
    pollfd state{client_->socket(), POLLIN, 0};
    const bool hung_up = poll(&state, 1, 10'000) == 1 &&
                         proto::receive_packet(client_->socket())->state == proto::ReceiveState::kClosed;
    return write(held[1], hung_up ? "y" : "n", 1) == 1 ? 0 : 1;
  });
  close(held[1]);
  go_.reset();
  expect_everything_freed();
  char answer = '?';
  ASSERT_EQ(read(held[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  close(held[0]);
}

TEST_F(DyingClientTest, AStoppedClientIsNotDead) {
  run_child([] { return 0; });
  child_->kill(SIGSTOP);
  Peer other = connect();
  other.greet();
  for (int i = 0; i < 100; ++i) other.ask<ListReply>(ListRequest{});  // the server had its turns
  EXPECT_EQ(leases_claimed(), 1u);
}

// The reactor keeps a ready descriptor's place in its queue when the descriptor is closed, and gives it to a
// new one.
TEST_F(SessionTest, AClientIsNotTakenForDeadWhereOthersDieAsItComes) {
  int go[2], told[2];
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(told, O_CLOEXEC), 0);
  UniqueFd go_in(go[1]);
  const UniqueFd go_out(go[0]), told_out(told[0]), told_in(told[1]);
  char bytes[2];
  std::vector<Child> dying;
  for (int i = 0; i < 2; ++i) {
    dying.emplace_back([&] {
      go_in.reset();
      auto socket = proto::connect_socket(path_);
      if (!socket || read(go_out.get(), bytes, 1) != 0) return 1;
      socket->reset();
      if (write(told_in.get(), "x", 1) != 1) return 1;
      for (;;) pause();
    });
  }
  ASSERT_TRUE(run_until([&] { return server_->session_count() == 2; }));
  io_.poll();
  go_in.reset();
  for (size_t i = 0; i < dying.size(); ++i) ASSERT_EQ(read(told_out.get(), bytes, 1), 1);
  io_.restart();
  io_.poll_one();
  io_.poll_one();  // both have hung up, and their sessions are about to go
  auto late = proto::connect_socket(path_);
  ASSERT_TRUE(late);
  for (Child& child : dying) {
    child.kill(SIGKILL);
    child.wait();
  }
  Peer(*this, *std::move(late)).greet();
  EXPECT_EQ(server_->session_count(), 1u);
}

}  // namespace
}  // namespace framering::daemon
