// One living daemon a socket, whatever dead ones left behind.
#include "daemon/listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <vector>

#include "proto/channel.h"
#include "tests/support/child.h"
#include "tests/support/temp_folder.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using proto::UniqueFd;
using testing::Child;
using ::testing::HasSubstr;

class ListenerTest : public ::testing::Test {
 protected:
  static mode_t mode(const std::string& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }
  static bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }
  void expect_refused(const std::string& path, ErrorCode code, const std::string& why) const {
    const auto listener = Listener::open(path);
    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().code, code);
    EXPECT_THAT(listener.error().text(), HasSubstr(why));
  }
  // A socket as another program, which knows nothing of the lock, would make it.
  UniqueFd foreign_listener() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd.get(), 4), 0);
    return fd;
  }

  testing::TempFolder folder_;
  const std::string path_ = folder_.file("framering/socket");
};

// A process that listens until it is killed.
class LivingDaemon {
 public:
  explicit LivingDaemon(const std::string& path) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    const UniqueFd out(ends[0]);
    UniqueFd in(ends[1]);
    child_.emplace([&] {
      const auto listener = Listener::open(path);
      if (!listener || write(in.get(), "x", 1) != 1) return 1;
      for (;;) pause();
    });
    in.reset();
    char byte;
    EXPECT_EQ(read(out.get(), &byte, 1), 1) << "it does not listen";
  }
  pid_t pid() const { return child_->pid(); }
  void kill() {
    child_->kill(SIGKILL);
    child_->wait();
  }

 private:
  std::optional<Child> child_;
};

TEST_F(ListenerTest, EveryUserMayConnectButTheLockIsTheDaemonsAlone) {
  umask(077);
  const auto listener = Listener::open(path_);
  umask(022);
  ASSERT_TRUE(listener) << listener.error().text();
  EXPECT_EQ(mode(path_), 0666u);
  EXPECT_EQ(mode(path_ + ".lock"), 0600u);
  EXPECT_EQ(listener->path(), path_);
  EXPECT_TRUE(proto::connect_socket(path_));
  EXPECT_EQ(fcntl(listener->fd(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(fcntl(listener->fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(ListenerTest, ALivingDaemonIsNamedByItsPid) {
  const LivingDaemon daemon(path_);
  expect_refused(path_, ErrorCode::kAlreadyInUse, "in use by the process " + std::to_string(daemon.pid()));
  EXPECT_TRUE(proto::connect_socket(path_)) << "it is left alone";
}

TEST_F(ListenerTest, TheSocketOfAKilledDaemonIsTakenOver) {
  LivingDaemon daemon(path_);
  daemon.kill();
  ASSERT_TRUE(exists(path_));
  ASSERT_FALSE(proto::connect_socket(path_));
  const auto listener = Listener::open(path_);
  ASSERT_TRUE(listener) << listener.error().text();
  EXPECT_TRUE(proto::connect_socket(path_));
}

// Its lock file may be gone too: /tmp is swept.
TEST_F(ListenerTest, ASocketWhoseOwnerLetsNobodyInIsLeftAlone) {
  const std::string path = folder_.file("foreign");
  const UniqueFd owner(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(owner.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(owner.get(), 1), 0);
  expect_refused(path, ErrorCode::kAlreadyInUse, "in use by a process that does not let us in");
  EXPECT_TRUE(exists(path));
}

TEST_F(ListenerTest, ADaemonThatEndsTakesItsSocketAlongAndTheNextMayStart) {
  for (int i = 0; i < 3; ++i) {
    auto listener = Listener::open(path_);
    ASSERT_TRUE(listener);
    const Listener moved = *std::move(listener);
    EXPECT_TRUE(proto::connect_socket(path_));
  }
  EXPECT_FALSE(exists(path_));
}

TEST_F(ListenerTest, OfManyThatStartAtOnceOverADeadDaemonsSocketOneWins) {
  LivingDaemon(path_).kill();
  constexpr int kStarters = 8;
  int go[2], result[2], stop[2];
  ASSERT_EQ(pipe(go), 0);
  ASSERT_EQ(pipe(result), 0);
  ASSERT_EQ(pipe(stop), 0);
  std::vector<Child> starters;
  for (int i = 0; i < kStarters; ++i) {
    starters.emplace_back([&] {
      close(stop[1]);
      char byte;
      if (read(go[0], &byte, 1) != 1) return 1;
      const auto listener = Listener::open(path_);
      const char outcome = listener ? 'w' : listener.error().code == ErrorCode::kAlreadyInUse ? 'l' : '?';
      if (write(result[1], &outcome, 1) != 1) return 2;
      return read(stop[0], &byte, 1) == 0 ? 0 : 3;  // until all have tried
    });
  }
  ASSERT_EQ(write(go[1], "12345678", kStarters), kStarters);
  std::string outcomes(kStarters, ' ');
  for (char& outcome : outcomes) ASSERT_EQ(read(result[0], &outcome, 1), 1);
  close(stop[1]);
  for (Child& starter : starters) EXPECT_EQ(starter.wait(), 0);
  EXPECT_EQ(std::count(outcomes.begin(), outcomes.end(), 'w'), 1);
  EXPECT_EQ(std::count(outcomes.begin(), outcomes.end(), 'l'), kStarters - 1);
}

TEST_F(ListenerTest, ASocketOfAnotherProgramIsLeftAlone) {
  ASSERT_EQ(mkdir(folder_.file("framering").c_str(), 0755), 0);
  const UniqueFd other = foreign_listener();
  expect_refused(path_, ErrorCode::kAlreadyInUse, "the process " + std::to_string(getpid()));
  EXPECT_TRUE(proto::connect_socket(path_));
}

TEST_F(ListenerTest, ADaemonThatIsStillStartingIsNotDisturbed) {
  { ASSERT_TRUE(Listener::open(path_)); }
  const UniqueFd lock(open((path_ + ".lock").c_str(), O_RDWR | O_CLOEXEC));
  flock(lock.get(), LOCK_EX);
  expect_refused(path_, ErrorCode::kAlreadyInUse, "just starting or stopping");
}

TEST_F(ListenerTest, AFileThatIsNoSocketIsLeftAlone) {
  ASSERT_EQ(mkdir(folder_.file("framering").c_str(), 0755), 0);
  std::ofstream(path_) << "precious";
  expect_refused(path_, ErrorCode::kAlreadyInUse, "is there and is no socket");
  std::string text;
  std::ifstream(path_) >> text;
  EXPECT_EQ(text, "precious");

  const std::string link = folder_.file("framering/link");
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  expect_refused(link, ErrorCode::kAlreadyInUse, "is there and is no socket");
}

TEST_F(ListenerTest, ALinkInPlaceOfTheLockIsNotFollowed) {
  ASSERT_EQ(mkdir(folder_.file("framering").c_str(), 0755), 0);
  ASSERT_EQ(symlink(folder_.file("elsewhere").c_str(), (path_ + ".lock").c_str()), 0);
  expect_refused(path_, ErrorCode::kPermissionDenied, path_ + ".lock");
  EXPECT_FALSE(exists(folder_.file("elsewhere")));
}

TEST_F(ListenerTest, ASocketThatIsHandedOverIsServedWhereItIsAndLeftThere) {
  ASSERT_EQ(mkdir(folder_.file("framering").c_str(), 0755), 0);
  const UniqueFd systemd = foreign_listener();
  {
    const auto listener = Listener::adopt(UniqueFd(dup(systemd.get())));
    ASSERT_TRUE(listener) << listener.error().text();
    EXPECT_EQ(listener->path(), path_);
    EXPECT_EQ(fcntl(listener->fd(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    const auto client = proto::connect_socket(path_);
    ASSERT_TRUE(client);
    EXPECT_GE(UniqueFd(accept(listener->fd(), nullptr, nullptr)).get(), 0);
  }
  EXPECT_TRUE(proto::connect_socket(path_)) << "it waits for the next daemon";
  EXPECT_FALSE(exists(path_ + ".lock"));
}

TEST_F(ListenerTest, WhatHasNoPathIsNotServed) {
  const auto listener = Listener::adopt(UniqueFd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)));
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(listener.error().text(), HasSubstr("ListenSequentialPacket="));
}

TEST_F(ListenerTest, APathThatCannotBeMadeIsNamedWithTheCause) {
  expect_refused("", ErrorCode::kInvalidArgument, "1 to 107 bytes");
  expect_refused("/" + std::string(107, 'x'), ErrorCode::kInvalidArgument, "1 to 107 bytes");
  const std::string missing = folder_.file("missing/framering");
  expect_refused(missing + "/socket", ErrorCode::kPermissionDenied, "cannot make " + missing);
}

}  // namespace
}  // namespace framering::daemon
