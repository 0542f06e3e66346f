// What readers get of a desktop that is locked, in the background, or nobody's any more, as logind tells it.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/logind.h"
#include "framering/framering.h"
#include "proto/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/daemon_process.h"
#include "tests/support/fake_logind.h"
#include "tests/support/soon.h"
#include "tests/support/temp_folder.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kId = "c7";
constexpr uint32_t kBefore = 0x112233, kBehindTheLock = 0x445566, kAfter = 0x778899;

class LogindTest : public ::testing::Test {
 protected:
  void SetUp() override { paint(kBefore); }

  void paint(uint32_t pixel) {
    desktop_.fill({0, 0, desktop_.width(), desktop_.height()}, pixel);
    desktop_.sync();
  }
  FakeLogind::Session session() const { return {.uid = geteuid(), .display = server_.display()}; }
  static uint32_t pixel_of(const Frame& frame) {
    uint32_t pixel = 0;
    std::memcpy(&pixel, frame.data(), sizeof pixel);
    return pixel & 0xffffff;
  }
  static bool becomes(Stream& stream, const DesktopState& state) {
    return bool(soon([&] { return stream.state() == state; }));
  }
  // Reads until the frame shows this.
  static bool shows(Stream& stream, uint32_t pixel) {
    return bool(soon([&] {
      const auto frame = stream.next(10ms);
      return frame && pixel_of(*frame) == pixel;
    }));
  }
  uint64_t captures(const std::string& source) { return captures(connection_, source); }
  static uint64_t captures(Connection& connection, const std::string& source) {
    for (const StreamInfo& stream : connection.list()) {
      if (stream.source == source) return stream.captures;
    }
    return 0;
  }
  // What is painted meanwhile is in no frame, of old readers and of new ones, and nothing is captured.
  void expect_hidden(Stream& stream) {
    const uint64_t before = captures("screen");
    paint(kBehindTheLock);
    Stream later = connection_.open({.source = "region:0,0,64x48"});
    EXPECT_TRUE(becomes(later, stream.state())) << "who comes later is told";
    EXPECT_FALSE(later.latest(200ms));
    EXPECT_FALSE(stream.next(200ms));
    EXPECT_EQ(captures("screen"), before);
    EXPECT_EQ(captures("region:0,0,64x48"), 0u);
  }

  FakeLogind logind_;
  const Xvfb server_{{.screen = "320x200x24"}};
  X11Desktop desktop_{server_.display()};
  DaemonProcess daemon_{{"--source", "screen", "--source", "test:64x48@120", "--display", server_.display()}};
  Connection connection_ = Connection::connect(daemon_.socket());
};

TEST_F(LogindTest, NothingOfALockedDesktopIsCapturedUntilItIsUnlocked) {
  logind_.set(kId, session());
  Stream stream = connection_.open();
  ASSERT_TRUE(shows(stream, kBefore));
  for (int round = 0; round < 3; ++round) {
    FakeLogind::Session locked = session();
    locked.locked = true;
    logind_.set(kId, locked);
    ASSERT_TRUE(becomes(stream, {.locked = true}));
    expect_hidden(stream);
    logind_.set(kId, session());
    ASSERT_TRUE(becomes(stream, {}));
    paint(kAfter);
    EXPECT_TRUE(shows(stream, kAfter));
  }
}

TEST_F(LogindTest, NothingIsCapturedWhileItIsAnotherSessionsTurn) {
  logind_.set(kId, session());
  Stream stream = connection_.open();
  ASSERT_TRUE(shows(stream, kBefore));
  FakeLogind::Session background = session();
  background.active = false;
  logind_.set(kId, background);
  ASSERT_TRUE(becomes(stream, {.away = true}));
  expect_hidden(stream);
  background.locked = true;
  logind_.set(kId, background);
  ASSERT_TRUE(becomes(stream, {.locked = true, .away = true}));
  logind_.set(kId, session());
  ASSERT_TRUE(becomes(stream, {}));
  EXPECT_TRUE(shows(stream, kBehindTheLock)) << "a whole frame, of what is there now";
}

TEST_F(LogindTest, NothingOfASessionThatWasLockedWhenTheDaemonStartedIsCaptured) {
  FakeLogind::Session locked = session();
  locked.locked = true;
  logind_.set(kId, locked);
  const DaemonProcess another({"--source", "screen", "--display", server_.display()});
  Connection connection = Connection::connect(another.socket());
  Stream stream = connection.open();
  EXPECT_FALSE(stream.latest(200ms));
  ASSERT_TRUE(becomes(stream, {.locked = true}));
  EXPECT_EQ(captures(connection, "screen"), 0u);
}

TEST_F(LogindTest, NothingIsCapturedUntilLogindHasAnsweredHoweverLongThatTakes) {
  logind_.set(kId, session());
  logind_.set_silent(true);
  setenv("SYSTEMD_BUS_TIMEOUT", "100ms", 1);
  const DaemonProcess another({"--source", "screen", "--display", server_.display()});
  unsetenv("SYSTEMD_BUS_TIMEOUT");
  Connection connection = Connection::connect(another.socket());
  Stream stream = connection.open();
  Stream on_demand = connection.open({.source = "region:0,0,64x48"});
  ASSERT_TRUE(becomes(stream, {.away = true}));
  ASSERT_TRUE(becomes(on_demand, {.away = true}));
  ASSERT_TRUE(soon([&, asked = logind_.unanswered()] { return logind_.unanswered() > asked + 1; }))
      << "it is asked again";
  EXPECT_EQ(stream.state(), (DesktopState{.away = true}));
  EXPECT_FALSE(stream.latest(200ms));
  EXPECT_EQ(captures(connection, "screen"), 0u);
  EXPECT_EQ(captures(connection, "region:0,0,64x48"), 0u);
  logind_.set_silent(false);
  ASSERT_TRUE(becomes(stream, {}));
  EXPECT_TRUE(shows(stream, kBefore));
  EXPECT_TRUE(shows(on_demand, kBefore));
}

TEST_F(LogindTest, WhatIsKnownHoldsWhileLogindDoesNotAnswer) {
  FakeLogind::Session locked = session();
  locked.locked = true;
  logind_.set(kId, locked);
  setenv("SYSTEMD_BUS_TIMEOUT", "100ms", 1);
  const DaemonProcess another({"--source", "screen", "--display", server_.display()});
  unsetenv("SYSTEMD_BUS_TIMEOUT");
  Connection connection = Connection::connect(another.socket());
  Stream stream = connection.open();
  ASSERT_TRUE(becomes(stream, {.locked = true}));
  logind_.set_silent(true);
  logind_.set(kId, session());
  ASSERT_TRUE(soon([&, asked = logind_.unanswered()] { return logind_.unanswered() > asked + 1; }));
  EXPECT_EQ(stream.state(), (DesktopState{.locked = true}));
  logind_.set_silent(false);
  ASSERT_TRUE(becomes(stream, {}));
  EXPECT_TRUE(shows(stream, kBefore));
}

TEST_F(LogindTest, AnErrorDoesNotSayThatThereIsNoSession) {
  logind_.set(kId, session());
  for (const char* error : {"org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.TimedOut",
                            "org.freedesktop.login1.NoSessionForPID"}) {
    SCOPED_TRACE(error);
    logind_.set_error(error);
    const DaemonProcess another({"--source", "screen", "--display", server_.display()});
    Connection connection = Connection::connect(another.socket());
    Stream stream = connection.open();
    ASSERT_TRUE(soon([&, asked = logind_.unanswered()] { return logind_.unanswered() > asked; }))
        << "it is asked again";
    EXPECT_EQ(stream.state(), (DesktopState{.away = true}));
    EXPECT_FALSE(stream.latest(100ms));
    EXPECT_EQ(captures(connection, "screen"), 0u);
    logind_.set_error(nullptr);
    ASSERT_TRUE(becomes(stream, {}));
    EXPECT_TRUE(shows(stream, kBefore));
  }
}

TEST_F(LogindTest, WhatIsKnownHoldsWhileLogindAnswersWithAnError) {
  FakeLogind::Session locked = session();
  locked.locked = true;
  logind_.set(kId, locked);
  Stream stream = connection_.open();
  ASSERT_TRUE(becomes(stream, {.locked = true}));
  logind_.set_error("org.freedesktop.DBus.Error.AccessDenied");
  logind_.set(kId, session());
  ASSERT_TRUE(soon([&, asked = logind_.unanswered()] { return logind_.unanswered() > asked + 1; }));
  EXPECT_EQ(stream.state(), (DesktopState{.locked = true}));
  logind_.set_error(nullptr);
  ASSERT_TRUE(becomes(stream, {}));
}

TEST_F(LogindTest, SignalsWithoutEndKeepNobodyFromLearningOfALock) {
  logind_.set(kId, session());
  Stream stream = connection_.open();
  ASSERT_TRUE(shows(stream, kBefore));
  logind_.set_restless(true);
  FakeLogind::Session locked = session();
  locked.locked = true;
  logind_.set(kId, locked);
  EXPECT_TRUE(becomes(stream, {.locked = true}));
  logind_.set(kId, session());
  EXPECT_TRUE(becomes(stream, {}));
  logind_.set_restless(false);
}

TEST_F(LogindTest, ABusOnWhichThereIsNoLogindKeepsNobodyWaiting) {
  logind_.leave();
  const DaemonProcess another({"--source", "screen", "--display", server_.display()});
  Stream stream = Connection::connect(another.socket()).open();
  EXPECT_TRUE(shows(stream, kBefore));
  EXPECT_EQ(stream.state(), DesktopState{});
}

TEST_F(LogindTest, WhenTheSessionEndsTheStreamGoesOnInNewMemoryAndShowsNothingUntilTheNextOne) {
  logind_.set(kId, session());
  Stream stream = connection_.open();
  ASSERT_TRUE(shows(stream, kBefore));
  const auto held = stream.latest(5s);
  ASSERT_TRUE(held);
  const std::vector<std::byte> pixels(held->data(), held->data() + held->size_bytes());
  FakeLogind::Session locked = session();
  locked.locked = true;
  logind_.set(kId, locked);
  ASSERT_TRUE(becomes(stream, {.locked = true})) << "the daemon knows the session by now";
  logind_.remove(kId);
  ASSERT_TRUE(becomes(stream, {.away = true}));
  expect_hidden(stream);
  logind_.set("c8", session());
  ASSERT_TRUE(becomes(stream, {}));
  paint(kAfter);
  ASSERT_TRUE(shows(stream, kAfter));
  EXPECT_GT(stream.latest(5s)->epoch(), held->epoch());
  EXPECT_EQ(std::memcmp(held->data(), pixels.data(), pixels.size()), 0) << "no new byte";
}

TEST_F(LogindTest, OtherSessionsAndTestSourcesAreNotTouched) {
  logind_.set(kId, session());
  FakeLogind::Session other{.uid = 4242, .display = ":4242", .active = false, .locked = true};
  logind_.set("c9", other);
  Stream stream = connection_.open();
  EXPECT_TRUE(shows(stream, kBefore));
  FakeLogind::Session locked = session();
  locked.locked = true;
  logind_.set(kId, locked);
  ASSERT_TRUE(becomes(stream, {.locked = true}));
  Stream test = connection_.open({.source = "test:64x48@120"});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(test.next(5s));
  EXPECT_EQ(test.state(), DesktopState{});
}

TEST_F(LogindTest, ADesktopThatWasHandedInDoesNotComeBackWhenItsSessionHasEndedThoughItsHelperLives) {
  const std::string user = std::to_string(geteuid());
  const DaemonProcess another(
      {"--source", "screen", "--memory", "host"},
      "display = \"session\"\n[[policy]]\nuids = [" + user + "]\nsources = [\"*\"]\ndisplay = true\n");
  Connection connection = Connection::connect(another.socket());
  Child helper([&] {
    execl(FRAMERING_SESSION, FRAMERING_SESSION, "--socket", another.socket().c_str(), "--display",
          server_.display().c_str(), nullptr);
    return 127;
  });
  FakeLogind::Session locked{.uid = geteuid(), .pid = static_cast<uint32_t>(helper.pid()), .locked = true};
  logind_.set(kId, locked);
  std::optional<Stream> stream;
  ASSERT_TRUE(soon([&] {
    for (const StreamInfo& info : connection.list()) {
      if (info.available && !stream) stream = connection.open();
    }
    return stream && stream->state() == DesktopState{.locked = true};
  }));
  const uint64_t before = captures(connection, "screen");
  logind_.remove(kId);
  ASSERT_TRUE(soon([&] {
    siginfo_t end{};
    waitid(P_PID, static_cast<id_t>(helper.pid()), &end, WEXITED | WNOHANG | WNOWAIT);
    return end.si_pid != 0;
  })) << "it ends by itself";
  EXPECT_EQ(helper.wait(), 0);
  ASSERT_TRUE(soon([&] { return !connection.list().at(0).available; }));
  EXPECT_EQ(captures(connection, "screen"), before);
}

// The address of a bus, behind which another may come in its place.
class BusLink {
 public:
  BusLink() { std::filesystem::permissions(path().parent_path(), std::filesystem::perms(0755)); }

  std::filesystem::path path() const { return folder_.file("bus"); }
  std::string address() const { return "unix:path=" + path().string(); }
  void lead_to(const std::filesystem::path& bus) {
    const std::filesystem::path link = folder_.file("new");
    std::filesystem::create_symlink(bus, link);
    std::filesystem::rename(link, path());
  }

 private:
  const TempFolder folder_;
};

// A bus that takes connections, lets in who comes, and says nothing more: not even to his Hello.
class MuteBus {
 public:
  explicit MuteBus(const std::filesystem::path& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{AF_UNIX, {}};
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(socket_.get(), 8) != 0) {
      throw std::runtime_error("no mute bus");
    }
    thread_ = std::thread([this] { serve(); });
  }
  ~MuteBus() {
    shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }
  MuteBus(const MuteBus&) = delete;
  MuteBus& operator=(const MuteBus&) = delete;

  int guests() const { return guests_; }

 private:
  void serve() {
    constexpr std::string_view kLetIn = "DATA\r\nOK 00112233445566778899aabbccddeeff\r\nAGREE_UNIX_FD\r\n";
    std::vector<proto::UniqueFd> guests;
    for (;;) {
      proto::UniqueFd guest(accept(socket_.get(), nullptr, nullptr));
      if (!guest) return;
      [[maybe_unused]] const ssize_t sent = send(guest.get(), kLetIn.data(), kLetIn.size(), MSG_NOSIGNAL);
      guests.push_back(std::move(guest));
      ++guests_;
    }
  }

  const proto::UniqueFd socket_;
  std::atomic<int> guests_{0};
  std::thread thread_;
};

TEST_F(LogindTest, ABusThatHangsIsNotAbsent) {
  logind_.set(kId, session());
  BusLink link;
  MuteBus mute(link.path());
  const std::string real = std::getenv("DBUS_SYSTEM_BUS_ADDRESS");
  setenv("DBUS_SYSTEM_BUS_ADDRESS", link.address().c_str(), 1);
  setenv("SYSTEMD_BUS_TIMEOUT", "100ms", 1);
  const DaemonProcess another({"--source", "screen", "--display", server_.display()});
  unsetenv("SYSTEMD_BUS_TIMEOUT");
  setenv("DBUS_SYSTEM_BUS_ADDRESS", real.c_str(), 1);
  Connection connection = Connection::connect(another.socket());
  Stream stream = connection.open();
  ASSERT_TRUE(soon([&] { return mute.guests() > 2; })) << "it is tried again";
  EXPECT_EQ(stream.state(), (DesktopState{.away = true}));
  EXPECT_FALSE(stream.latest(200ms));
  EXPECT_EQ(captures(connection, "screen"), 0u);
  link.lead_to(logind_.bus());
  ASSERT_TRUE(becomes(stream, {}));
  EXPECT_TRUE(shows(stream, kBefore));
}

TEST(LogindBusTest, ADesktopIsAwaitedWhileTheBusThatWasThereIsGone) {
  BusLink link;
  auto before = std::make_unique<FakeLogind>();
  before->set(kId, {.display = ":4242"});
  link.lead_to(before->bus());
  FakeLogind after;
  after.set(kId, {.display = ":4243", .locked = true});
  setenv("DBUS_SYSTEM_BUS_ADDRESS", link.address().c_str(), 1);

  boost::asio::io_context io;
  std::vector<daemon::SessionState> told;
  daemon::Logind logind(io, [&](const daemon::SessionState& state) { told.push_back(state); });
  const auto run_for = [&io](std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
  };
  logind.follow(":4242");
  ASSERT_TRUE(soon([&] { return run_for(10ms), told.back().is_known; }));
  before.reset();
  setenv("DBUS_SYSTEM_BUS_ADDRESS", link.address().c_str(), 1);
  run_for(100ms);  // it notices
  told.clear();
  logind.follow(":4243");
  run_for(1500ms);  // it tries again
  EXPECT_EQ(told, std::vector<daemon::SessionState>{{.is_awaited = true}});
  link.lead_to(after.bus());
  EXPECT_TRUE(soon([&] { return run_for(10ms), told.back().locked; }));
}

TEST(LogindAbsentTest, EverythingWorks) {
  setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
  const Xvfb server({.screen = "320x200x24"});
  const DaemonProcess daemon({"--source", "screen", "--display", server.display()});
  unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  Stream stream = Connection::connect(daemon.socket()).open();
  ASSERT_TRUE(stream.next(10s));
  EXPECT_EQ(stream.state(), DesktopState{});
}

}  // namespace
}  // namespace framering::testing
