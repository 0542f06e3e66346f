// What a hostile client of another uid can do to the daemon and to honest clients: nothing.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "daemon/capture/test_pattern.h"
#include "framering/framering.h"
#include "proto/lease.h"
#include "tests/support/child.h"
#include "tests/support/daemon_process.h"
#include "tests/support/raw_client.h"
#include "tests/support/soon.h"
#include "tests/support/x11_window.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using proto::FdRole;
using proto::FrameRef;
using Clock = std::chrono::steady_clock;

constexpr uid_t kForeigner = 65534;
constexpr const char* kSource = "test:160x120@120";

class AttackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  }

  // Runs the attack as a foreign uid that the daemon lets attach; afterwards the daemon must serve as ever.
  void expect_refused(const std::function<int(RawClient&, const proto::OpenReply&)>& attack) {
    Child attacker = foreigner([&] {
      RawClient client(daemon_.socket());
      const proto::OpenReply reply = client.open(kSource, 2, true);
      return attack(client, reply);
    });
    EXPECT_EQ(attacker.wait(), 0);
    expect_service();
  }

  static Child foreigner(const std::function<int()>& work) {
    return Child([&] {
      if (setgroups(0, nullptr) != 0 || setgid(kForeigner) != 0 || setuid(kForeigner) != 0) return 98;
      return work();
    });
  }

  void expect_service() {
    Stream stream = Connection::connect(daemon_.socket()).open({.source = kSource});
    const auto first = stream.next(5s);
    ASSERT_TRUE(first);
    const auto second = stream.next(5s);
    ASSERT_TRUE(second);
    EXPECT_GT(second->sequence(), first->sequence());
    const daemon::Geometry geometry{second->width(), second->height(), daemon::PixelFormat::kBgrx8888};
    EXPECT_TRUE(daemon::read_barcode({second->data(), second->size_bytes()}, geometry, {0, 0, 160, 120}));
  }

  DaemonProcess daemon_{{"--source", kSource, "--slots", "4", "--lease-ms", "200", "--allow-uid", "65534"}};
};

// 0 if no way to write through this descriptor succeeds; else the number of the way that did.
int ways_to_write(int fd, size_t bytes) {
  if (mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED) return 1;
  void* readable = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (readable == MAP_FAILED) return 2;
  if (mprotect(readable, bytes, PROT_READ | PROT_WRITE) == 0) return 3;
  if (write(fd, "x", 1) >= 0 || pwrite(fd, "x", 1, 0) >= 0) return 4;
  if (ftruncate(fd, 0) == 0 || ftruncate(fd, static_cast<off_t>(2 * bytes)) == 0) return 5;
  if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0) return 6;
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0) return 7;
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (open(path.c_str(), O_RDWR) >= 0 || open(path.c_str(), O_WRONLY) >= 0) return 8;
  if (chmod(path.c_str(), 0666) == 0 || fchmod(fd, 0666) == 0) return 9;
  if (truncate(path.c_str(), 0) == 0) return 10;
  return 0;
}

TEST_F(AttackTest, EveryWriteToTheControlPageIsRefused) {
  expect_refused([](RawClient& client, const proto::OpenReply& reply) {
    return ways_to_write(client.fd(reply, FdRole::kControl), reply.control_bytes);
  });
}

TEST_F(AttackTest, EveryWriteToTheSlotsIsRefused) {
  expect_refused([](RawClient& client, const proto::OpenReply& reply) {
    return ways_to_write(client.fd(reply, FdRole::kPixels), reply.region_bytes);
  });
}

TEST_F(AttackTest, ALeasePageCannotBeTruncatedOrGrown) {
  expect_refused([](RawClient& client, const proto::OpenReply& reply) {
    const int fd = client.fd(reply, FdRole::kLease);
    if (ftruncate(fd, 0) == 0 || ftruncate(fd, 1 << 20) == 0) return 1;
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_size == static_cast<off_t>(proto::kLeaseBytes) ? 0 : 2;
  });
}

TEST_F(AttackTest, AHolePunchedIntoALeasePageHarmsNobody) {
  expect_refused([](RawClient& client, const proto::OpenReply& reply) {
    fallocate(client.fd(reply, FdRole::kLease), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
              proto::kLeaseBytes);
    std::this_thread::sleep_for(100ms);  // some frames are published over it
    return 0;
  });
}

TEST_F(AttackTest, GarbageInALeasePageHarmsNobody) {
  expect_refused([](RawClient& client, const proto::OpenReply& reply) {
    void* page = mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      client.fd(reply, FdRole::kLease), 0);
    if (page == MAP_FAILED) return 1;
    std::mt19937_64 random(1);
    auto* words = static_cast<volatile uint64_t*>(page);
    for (const auto end = Clock::now() + 500ms; Clock::now() < end;) {
      for (size_t i = 0; i < proto::kLeaseBytes / 8; ++i) words[i] = random();
    }
    return 0;
  });
}

TEST_F(AttackTest, AClientThatPinsWhateverItCanDoesNotStopTheStream) {
  Child attacker = foreigner([&] {
    // Two connections, so that it may lease every slot.
    RawClient clients[] = {RawClient(daemon_.socket()), RawClient(daemon_.socket())};
    proto::LeasePage* pages[2];
    const proto::ControlPage* control = nullptr;
    for (int i = 0; i < 2; ++i) {
      const proto::OpenReply reply = clients[i].open(kSource, 2);
      pages[i] = static_cast<proto::LeasePage*>(mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE,
                                                     MAP_SHARED, clients[i].fd(reply, FdRole::kLease), 0));
      control = static_cast<const proto::ControlPage*>(mmap(
          nullptr, reply.control_bytes, PROT_READ, MAP_SHARED, clients[i].fd(reply, FdRole::kControl), 0));
    }
    for (;;) {
      for (uint32_t slot = 0; slot < control->slot_count; ++slot) {
        pages[slot / 2]->leases[slot % 2].store(
            FrameRef{proto::slot_headers(control)[slot].sequence.load(), slot}.pack());
      }
    }
    return 0;
  });
  Stream stream = Connection::connect(daemon_.socket()).open({.source = kSource});
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(stream.next(5s));
  attacker.kill(SIGKILL);
  attacker.wait();
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(stream.next(5s));
}

TEST_F(AttackTest, ThousandsOfWaitersOnAClientsOwnWordHarmNobody) {
  expect_refused([](RawClient& client, const proto::OpenReply& reply) {
    auto* page = static_cast<proto::LeasePage*>(mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE,
                                                     MAP_SHARED, client.fd(reply, FdRole::kLease), 0));
    std::vector<std::thread> waiters;
    for (int i = 0; i < 1000; ++i) {
      waiters.emplace_back([page] {
        for (;;) {
          page->waiting.store(1);
          syscall(SYS_futex, &page->wake_word, FUTEX_WAIT, page->wake_word.load(), nullptr, nullptr, 0);
        }
      });
    }
    std::this_thread::sleep_for(500ms);
    _exit(0);
    return 0;
  });
}

TEST_F(AttackTest, AWakePipeMadeBlockingAndFullDoesNotBlockThePublisher) {
  constexpr const char* kFast = "test:32x32@1000";
  constexpr uint64_t kPipeBytes = 4096;
  DaemonProcess daemon({"--source", kFast, "--allow-uid", "65534"});
  Child attacker = foreigner([&] {
    RawClient client(daemon.socket());
    const proto::OpenReply reply = client.open(kFast, 1, true);
    const int pipe_end = client.fd(reply, FdRole::kWakePipe);
    fcntl(pipe_end, F_SETFL, 0);
    fcntl(pipe_end, F_SETPIPE_SZ, kPipeBytes);
    auto* page = static_cast<proto::LeasePage*>(mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE,
                                                     MAP_SHARED, client.fd(reply, FdRole::kLease), 0));
    for (;;) page->armed.store(1);  // and never reads
    return 0;
  });
  Stream stream = Connection::connect(daemon.socket()).open({.source = kFast});
  for (uint64_t sequence = 0; sequence < kPipeBytes + 1000;) {
    const auto frame = stream.next(5s);
    ASSERT_TRUE(frame);
    sequence = frame->sequence();
  }
}

TEST_F(AttackTest, AFloodOfWishesForConfirmationIsItsOwnersAndHarmsNobody) {
  constexpr const char* kStill = "test:160x120@0.01";
  DaemonProcess daemon({"--source", kStill, "--allow-uid", "65534"});
  Child attacker = foreigner([&] {
    RawClient client(daemon.socket());
    const proto::OpenReply reply = client.open(kStill, 1);
    const int bell = client.fd(reply, FdRole::kBell);
    auto* page = static_cast<proto::LeasePage*>(mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE,
                                                     MAP_SHARED, client.fd(reply, FdRole::kLease), 0));
    // Now it rings, now the bell is too full for that.
    for (uint64_t rings = 0;;) {
      const auto now = static_cast<uint64_t>(Clock::now().time_since_epoch() / 1ns);
      page->asked_ns.store(now);
      uint64_t value = ++rings % 3 == 0 ? 1 : UINT64_MAX - 1;
      [[maybe_unused]] ssize_t done = write(bell, &value, sizeof value);
      if (rings % 3 == 0) done = read(bell, &value, sizeof value);
    }
    return 0;
  });
  Connection connection = Connection::connect(daemon.socket());
  Stream stream = connection.open({.source = kStill});
  ASSERT_TRUE(stream.latest(5s));
  const auto asked_by_attacker = [&] {
    const std::vector<StreamInfo> streams = connection.list();
    for (const ClientInfo& client : streams.at(0).clients) {
      if (client.pid == static_cast<uint32_t>(attacker.pid())) return client.confirmations_asked;
    }
    return uint64_t{0};
  };
  for (int i = 0; i < 200; ++i) {
    const auto now = static_cast<uint64_t>(Clock::now().time_since_epoch() / 1ns);
    const auto frame = stream.wait_until(now, 5s);
    ASSERT_TRUE(frame);
    EXPECT_GE(frame->confirmed_ns(), now);
  }
  EXPECT_TRUE(soon([&] { return asked_by_attacker() > 1000; }));
  EXPECT_EQ(connection.list().at(0).captures, 1u);
}

TEST_F(AttackTest, AFloodOfListingsAndWatchesIsItsOwnersAndHarmsNobody) {
  constexpr int kFlooders = 4;
  const Xvfb xvfb({.screen = "640x480x24"});
  DaemonProcess daemon({"--source", kSource, "--display", xvfb.display(), "--allow-uid", "65534"});
  X11TestWindow window(xvfb.display(), {.title = "honest"});
  std::vector<Child> flooders;
  for (int i = 0; i < kFlooders; ++i) {
    flooders.push_back(foreigner([&] {
      RawClient client(daemon.socket());
      client.ask<proto::Welcome>(proto::Hello{proto::kProtocolVersion, "flooder"});
      for (;;) {
        client.ask<proto::WatchReply>(proto::WatchRequest{});  // each pipe is closed by the next answer
        client.ask<proto::DesktopReply>(proto::DesktopRequest{});
        client.ask<proto::ListReply>(proto::ListRequest{});
      }
      return 0;
    }));
  }
  Connection connection = Connection::connect(daemon.socket());
  DesktopWatch watch = connection.watch_desktop();
  ASSERT_TRUE(watch.next(5s));
  // An honest client is told of every change, and its frames come as ever.
  for (int16_t i = 1; i <= 20; ++i) {
    window.move(i, 0);
    EXPECT_TRUE(soon([&] {
      const auto desktop = watch.next(5s);
      return desktop && !desktop->windows.empty() && desktop->windows[0].x == i;
    })) << i;
  }
  Stream stream = connection.open({.source = kSource});
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(stream.next(5s));
  for (Child& flooder : flooders) {
    flooder.kill(SIGKILL);
    flooder.wait();
  }
  EXPECT_EQ(connection.desktop().windows.size(), 1u);
}

TEST_F(AttackTest, AWatchPipeMadeBlockingAndFullBlocksNobody) {
  const Xvfb xvfb({.screen = "640x480x24"});
  DaemonProcess daemon({"--source", kSource, "--display", xvfb.display(), "--allow-uid", "65534"});
  X11TestWindow window(xvfb.display());
  Child attacker = foreigner([&] {
    RawClient client(daemon.socket());
    client.ask<proto::Welcome>(proto::Hello{proto::kProtocolVersion, "attacker"});
    client.ask<proto::WatchReply>(proto::WatchRequest{});
    const proto::UniqueFd pipe = std::move(client.fds().at(0));
    fcntl(pipe.get(), F_SETFL, 0);
    fcntl(pipe.get(), F_SETPIPE_SZ, 4096);
    for (;;) client.ask<proto::DesktopReply>(proto::DesktopRequest{});  // and never reads the pipe
    return 0;
  });
  Connection connection = Connection::connect(daemon.socket());
  for (int16_t i = 1; i <= 40; ++i) {
    window.move(i, i);
    EXPECT_EQ(connection.desktop().windows.at(0).x, i);
  }
  attacker.kill(SIGKILL);
  attacker.wait();
}

TEST_F(AttackTest, AnotherUsersProcessIsRefusedByDefault) {
  DaemonProcess strict({"--source", kSource});
  Child stranger = foreigner([&] {
    try {
      Connection::connect(strict.socket());
    } catch (const Error& error) {
      return error.code() == ErrorCode::permission_denied ? 0 : 1;
    }
    return 2;
  });
  EXPECT_EQ(stranger.wait(), 0);
}

}  // namespace
}  // namespace framering::testing
