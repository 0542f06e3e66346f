// A client that dies, at whatever point, leaves nothing behind in the daemon and takes nothing from others.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "framering/framering.h"
#include "proto/lease.h"
#include "proto/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/daemon_process.h"
#include "tests/support/process_usage.h"
#include "tests/support/raw_client.h"
#include "tests/support/seed.h"
#include "tests/support/soon.h"
#include "tests/support/spans.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using proto::FdRole;

constexpr const char* kMoving = "test:160x120@240";
constexpr const char* kStill = "test:64x48@0.01";  // its second frame comes 100 s after the first
constexpr uint32_t kSlots = 8;
constexpr uint64_t kMoreMemoryKib = 2048;  // what an allocator may keep

class KilledClientTest : public ::testing::Test {
 protected:
  // As the daemon lists them; this process is one as long as it has a stream open.
  std::vector<ClientInfo> clients() {
    std::vector<ClientInfo> clients;
    for (const StreamInfo& stream : own_.list()) {
      clients.insert(clients.end(), stream.clients.begin(), stream.clients.end());
    }
    return clients;
  }

  // Leases that dead clients left would pin their slots for a minute, and two of them all that are left here.
  void expect_every_slot_free() {
    constexpr uint32_t kShare = kSlots - 3;  // as much as one client may hold
    Stream stream = own_.open({.source = kMoving, .mode = Mode::every, .max_leases = kShare});
    std::vector<Frame> frames;
    for (uint32_t i = 0; i < kShare; ++i) {
      auto frame = stream.next(5s);
      ASSERT_TRUE(frame) << "after " << i << " frames";
      frames.push_back(*std::move(frame));
    }
    for (const Frame& frame : frames) EXPECT_TRUE(frame.valid());
  }

  DaemonProcess daemon_{
      {"--source", kMoving, "--source", kStill, "--slots", std::to_string(kSlots), "--lease-ms", "60000"},
      "[quota]\nconnects_per_second = 100000\n"};
  Connection own_ = Connection::connect(daemon_.socket());
};

// How far a client gets before it is killed.
enum class Point : uint32_t {
  kStarting,
  kConnected,       // and says nothing
  kGreeting,        // has not read the answer
  kOpening,         // the descriptors are on their way
  kAttached,        // has mapped nothing yet
  kLeased,          // with all its leases
  kArmed,           // with its wake pipe
  kLibraryReading,  // takes and releases frames
  kLibraryHolding,
  kLibraryWaiting,  // asleep in next()
};
constexpr uint32_t kPoints = 10;

class Victim {
 public:
  Victim(const std::string& socket, Point point)
      : reached_(new (mmap(nullptr, sizeof(std::atomic<bool>), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<bool>(false)),
        child_([&] { return live(socket, point); }) {}
  ~Victim() { munmap(reached_, sizeof *reached_); }

  // The client is at its point, or close to it.
  bool ready() const { return reached_->load(); }
  void kill() {
    child_.kill(SIGKILL);
    child_.wait();
  }

 private:
  int stay() {
    reached_->store(true);
    for (;;) pause();
  }

  int live(const std::string& socket, Point point) {
    if (point == Point::kStarting) reached_->store(true);
    if (point >= Point::kLibraryReading) return live_by_library(socket, point);
    RawClient client(socket);
    if (point == Point::kConnected) return stay();
    client.send(proto::Hello{proto::kProtocolVersion, "victim"});
    if (point == Point::kGreeting) return stay();
    client.receive();
    client.send(proto::OpenRequest{kMoving, proto::MemoryKind::kAuto, 4, 0, true});
    if (point == Point::kOpening) return stay();
    const auto reply = std::get<proto::OpenReply>(client.receive());
    if (point == Point::kAttached) return stay();
    auto* page = static_cast<proto::LeasePage*>(mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE,
                                                     MAP_SHARED, client.fd(reply, FdRole::kLease), 0));
    const auto* control = static_cast<const proto::ControlPage*>(
        mmap(nullptr, reply.control_bytes, PROT_READ, MAP_SHARED, client.fd(reply, FdRole::kControl), 0));
    if (point == Point::kArmed) {
      page->waiting.store(1);
      page->armed.store(1);
      return stay();
    }
    for (uint32_t taken = 0; taken < reply.max_leases;) {
      const auto newest = proto::FrameRef::unpack(control->latest.load());
      if (newest && proto::acquire(proto::slot_headers(control)[newest.slot], page->leases[taken], newest) ==
                        proto::Acquire::kLeased) {
        ++taken;
      }
    }
    return stay();
  }

  int live_by_library(const std::string& socket, Point point) {
    Connection connection = Connection::connect(socket);
    Stream stream = connection.open({.source = point == Point::kLibraryWaiting ? kStill : kMoving,
                                     .mode = Mode::every,
                                     .max_leases = 3,
                                     .wake_fd = true});
    std::vector<Frame> held;
    while (point == Point::kLibraryHolding && held.size() < 3) held.push_back(*stream.next());
    if (point == Point::kLibraryHolding) return stay();
    for (;;) {
      stream.next();
      reached_->store(true);
    }
  }

  std::atomic<bool>* const reached_;
  Child child_;
};

// FRAMERING_CLIENT_KILLS says how often.
TEST_F(KilledClientTest, KillsAtAnyPointLeaveNothingBehind) {
  const char* many = std::getenv("FRAMERING_CLIENT_KILLS");
  const auto kills = many ? static_cast<uint32_t>(std::atoi(many)) : 200;
  std::mt19937 random(random_seed());
  std::vector<int64_t> until_freed;
  const auto kill_one = [&](uint32_t i) {
    const auto point = static_cast<Point>(i % kPoints);
    Victim victim(daemon_.socket(), point);
    ASSERT_TRUE(soon([&] { return victim.ready(); })) << "point " << i % kPoints;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    const auto killed = std::chrono::steady_clock::now();
    victim.kill();
    if (point != Point::kLeased && point != Point::kLibraryHolding) return;
    ASSERT_TRUE(soon([&] { return clients().empty(); })) << "its leases";
    until_freed.push_back((std::chrono::steady_clock::now() - killed).count());
  };

  for (uint32_t i = 0; i < 2 * kPoints; ++i) kill_one(i);  // until every cache is warm
  ASSERT_TRUE(soon([&] { return clients().empty(); }));
  const ProcessUsage before = settled_usage_of(daemon_.pid());
  const uint64_t memory_kib = private_memory_kib(daemon_.pid());

  for (uint32_t i = 0; i < kills; ++i) kill_one(i);
  EXPECT_TRUE(soon([&] { return clients().empty(); }));
  EXPECT_TRUE(soon([&] { return usage_of(daemon_.pid()) == before; }))
      << usage_of(daemon_.pid()) << " instead of " << before;
  EXPECT_LT(private_memory_kib(daemon_.pid()), memory_kib + kMoreMemoryKib);
  expect_every_slot_free();
  print_spans("leases are free", until_freed);
}

TEST_F(KilledClientTest, AThousandClientsThatLeaveOnTheirOwnLeaveNothingBehind) {
  const auto attach = [&](int times) {
    for (int i = 0; i < times; ++i) {
      Stream stream = Connection::connect(daemon_.socket()).open({.source = kMoving, .wake_fd = i % 2 == 0});
      EXPECT_TRUE(stream.next(5s)) << i;
    }
  };
  attach(50);
  ASSERT_TRUE(soon([&] { return clients().empty(); }));
  const ProcessUsage before = settled_usage_of(daemon_.pid());
  const ProcessUsage own_before = settled_usage_of(getpid());
  const uint64_t memory_kib = private_memory_kib(daemon_.pid());
  attach(1000);
  EXPECT_TRUE(soon([&] { return clients().empty(); }));
  EXPECT_TRUE(soon([&] { return usage_of(daemon_.pid()) == before; }))
      << usage_of(daemon_.pid()) << " instead of " << before;
  EXPECT_EQ(usage_of(getpid()), own_before);
  EXPECT_LT(private_memory_kib(daemon_.pid()), memory_kib + kMoreMemoryKib);
  expect_every_slot_free();
}

TEST_F(KilledClientTest, AProcessThatOnlyClosesItsSocketKeepsWhatItLeasesAndNothingElse) {
  RawClient raw(daemon_.socket());
  const proto::OpenReply leasing = raw.open(kMoving, 2);
  auto* page = static_cast<proto::LeasePage*>(mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE,
                                                   MAP_SHARED, raw.fd(leasing, FdRole::kLease), 0));
  page->leases[0].store(proto::FrameRef{1, 0}.pack());
  raw.ask<proto::OpenReply>(proto::OpenRequest{kMoving, proto::MemoryKind::kAuto, 2, 0, false});
  ASSERT_EQ(clients().size(), 2u);
  shutdown(raw.socket(), SHUT_RDWR);
  ASSERT_TRUE(soon([&] { return clients().size() == 1; }));
  EXPECT_EQ(clients()[0].leases_held, 1u);
  munmap(page, proto::kLeaseBytes);
}

TEST_F(KilledClientTest, AChildThatKeepsTheSocketOfItsDeadParentKeepsNoLease) {
  int leased[2], grandchild_lives[2];
  ASSERT_EQ(pipe(leased), 0);
  ASSERT_EQ(pipe(grandchild_lives), 0);
  Child parent([&] {
    RawClient client(daemon_.socket());
    const proto::OpenReply reply = client.open(kMoving, 2);
    auto* page = static_cast<proto::LeasePage*>(mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE,
                                                     MAP_SHARED, client.fd(reply, FdRole::kLease), 0));
    page->leases[0].store(proto::FrameRef{1, 0}.pack());
    char byte = 0;
    if (fork() == 0) {
      close(grandchild_lives[1]);
      [[maybe_unused]] const ssize_t end = read(grandchild_lives[0], &byte, 1);
      _exit(0);
    }
    [[maybe_unused]] const ssize_t told = write(leased[1], &byte, 1);
    for (;;) pause();
    return 0;
  });
  const proto::UniqueFd until_the_end(grandchild_lives[1]);
  char byte = 0;
  ASSERT_EQ(read(leased[0], &byte, 1), 1);
  ASSERT_EQ(clients().size(), 1u);
  EXPECT_EQ(clients()[0].leases_held, 1u);
  parent.kill(SIGKILL);
  parent.wait();
  EXPECT_TRUE(soon([&] { return clients().empty(); }));
  close(leased[0]);
  close(leased[1]);
  close(grandchild_lives[0]);
}

}  // namespace
}  // namespace framering::testing
