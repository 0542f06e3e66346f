// What a control connection promises whatever the other end sends, and whenever it goes.
#include "proto/channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <optional>

#include "tests/support/child.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/open_fds.h"

namespace framering::proto {
namespace {

using testing::Child;
using ::testing::HasSubstr;
using testing::open_fds;

std::vector<std::byte> bytes_of(size_t size, int value = 0x5a) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

class ChannelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    here_ = UniqueFd(ends[0]);
    there_ = UniqueFd(ends[1]);
  }
  // Sends what send_packet() would not.
  void send_raw(std::span<const std::byte> bytes, const std::vector<int>& fds = {}) {
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* item = CMSG_FIRSTHDR(&header);
      item->cmsg_level = SOL_SOCKET;
      item->cmsg_type = SCM_RIGHTS;
      item->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(item), fds.data(), fds.size() * sizeof(int));
    }
    ASSERT_EQ(sendmsg(there_.get(), &header, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void expect_packet_lost(const std::string& why) {
    const size_t fds = open_fds();
    const auto received = receive_packet(here_.get());
    ASSERT_FALSE(received);
    EXPECT_EQ(received.error().code, ErrorCode::kProtocol);
    EXPECT_THAT(received.error().text(), HasSubstr(why));
    EXPECT_EQ(open_fds(), fds) << "what did arrive is closed";
  }

  UniqueFd here_, there_;
};

TEST_F(ChannelTest, APacketArrivesWholeAndAlone) {
  ASSERT_TRUE(send_packet(there_.get(), bytes_of(3, 1)));
  ASSERT_TRUE(send_packet(there_.get(), bytes_of(5, 2)));
  const auto first = receive_packet(here_.get());
  const auto second = receive_packet(here_.get());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->packet.bytes, bytes_of(3, 1));
  EXPECT_EQ(second->packet.bytes, bytes_of(5, 2));
  EXPECT_EQ(receive_packet(here_.get())->state, ReceiveState::kWouldBlock);
}

TEST_F(ChannelTest, TheLargestPacketArrivesAndOneByteMoreIsNotSent) {
  EXPECT_EQ(send_packet(there_.get(), bytes_of(kMaxMessageBytes + 1)).error().code, ErrorCode::kProtocol);
  EXPECT_EQ(send_packet(there_.get(), {}).error().code, ErrorCode::kProtocol);
  ASSERT_TRUE(send_packet(there_.get(), bytes_of(kMaxMessageBytes)));
  const auto received = receive_packet(here_.get());
  ASSERT_TRUE(received);
  EXPECT_EQ(received->packet.bytes, bytes_of(kMaxMessageBytes));
}

TEST_F(ChannelTest, APacketThatIsTooLongIsRefusedAndTheNextIsRead) {
  send_raw(bytes_of(kMaxMessageBytes + 1), {here_.get()});
  ASSERT_TRUE(send_packet(there_.get(), bytes_of(1)));
  expect_packet_lost("longer than 65536 bytes");
  EXPECT_EQ(receive_packet(here_.get())->packet.bytes, bytes_of(1));
}

TEST_F(ChannelTest, DescriptorsArriveInOrderAndCloseOnExec) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd out(ends[0]), in(ends[1]);
  const std::vector<int> sent(kMaxMessageFds, in.get());
  ASSERT_TRUE(send_packet(there_.get(), bytes_of(1), sent));
  const auto received = receive_packet(here_.get());
  ASSERT_TRUE(received);
  const auto& fds = received->packet.fds;
  ASSERT_EQ(fds.size(), kMaxMessageFds);
  for (const UniqueFd& fd : fds) EXPECT_EQ(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  char byte = 'x';
  ASSERT_EQ(write(fds.back().get(), &byte, 1), 1);
  EXPECT_EQ(read(out.get(), &byte, 1), 1);
}

TEST_F(ChannelTest, MoreDescriptorsThanAllowedAreNotSent) {
  const std::vector<int> fds(kMaxMessageFds + 1, here_.get());
  const auto sent = send_packet(there_.get(), bytes_of(1), fds);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::kProtocol);
}

TEST_F(ChannelTest, APacketWithTooManyDescriptorsIsRefusedAndTheyAreClosed) {
  for (const size_t count : {kMaxMessageFds + 1, kMaxMessageFds + 2, size_t{253}}) {
    send_raw(bytes_of(1), std::vector<int>(count, here_.get()));
    expect_packet_lost("descriptors of a message were lost");
  }
}

TEST_F(ChannelTest, DescriptorsThatThisProcessHasNoRoomForAreNotedAsLost) {
  send_raw(bytes_of(1), {here_.get(), here_.get(), here_.get()});
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // Room for one of the three.
  const UniqueFd lowest(dup(here_.get()));
  const rlimit tight{static_cast<rlim_t>(lowest.get()) + 2, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  const auto received = receive_packet(here_.get());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().code, ErrorCode::kProtocol);
  EXPECT_THAT(received.error().hint, HasSubstr("ulimit -n"));
  EXPECT_EQ(fcntl(lowest.get() + 1, F_GETFD), -1) << "the one that arrived is closed";
}

TEST_F(ChannelTest, NothingToReadIsNoError) {
  const auto received = receive_packet(here_.get());
  ASSERT_TRUE(received);
  EXPECT_EQ(received->state, ReceiveState::kWouldBlock);
}

TEST_F(ChannelTest, AFullQueueIsToldAndDoesNotBlock) {
  std::optional<Error> error;
  size_t sent = 0;
  while (!error && sent < 10'000) {
    if (auto status = send_packet(there_.get(), bytes_of(1000)); !status) error = status.error();
    ++sent;
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kUnavailable);
  ASSERT_TRUE(receive_packet(here_.get()));
}

TEST_F(ChannelTest, APeerThatIsGoneIsToldOnBothWays) {
  there_.reset();
  const auto received = receive_packet(here_.get());
  ASSERT_TRUE(received);
  EXPECT_EQ(received->state, ReceiveState::kClosed);
  const auto sent = send_packet(here_.get(), bytes_of(1));  // no SIGPIPE
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::kDisconnected);
}

TEST_F(ChannelTest, LastWordsOfAPeerThatDidNotReadAreStillRead) {
  ASSERT_TRUE(send_packet(here_.get(), bytes_of(2)));  // makes it a reset
  ASSERT_TRUE(send_packet(there_.get(), bytes_of(4)));
  there_.reset();
  EXPECT_EQ(receive_packet(here_.get())->packet.bytes, bytes_of(4));
  EXPECT_EQ(receive_packet(here_.get())->state, ReceiveState::kClosed);
}

TEST_F(ChannelTest, AnEmptyPacketIsAGoodbyeAndItsDescriptorsAreClosed) {
  const size_t fds = open_fds();
  send_raw({}, {here_.get()});
  EXPECT_EQ(receive_packet(here_.get())->state, ReceiveState::kClosed);
  EXPECT_EQ(open_fds(), fds);
}

TEST_F(ChannelTest, UnreadBytesAreSeenUntilThePeerReadsThem) {
  EXPECT_EQ(*unread_by_peer(here_.get()), 0u);
  ASSERT_TRUE(send_packet(here_.get(), bytes_of(100)));
  EXPECT_GE(*unread_by_peer(here_.get()), 100u);
  ASSERT_TRUE(receive_packet(there_.get()));
  EXPECT_EQ(*unread_by_peer(here_.get()), 0u);
  EXPECT_FALSE(unread_by_peer(-1));
}

TEST_F(ChannelTest, ThePeerIsWhoConnected) {
  const auto peer = peer_credentials(here_.get());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(peer->uid, geteuid());
  EXPECT_EQ(peer->gid, getegid());
}

TEST_F(ChannelTest, ALivingPeerHasNotDied) {
  const auto pidfd = peer_pidfd(here_.get());
  ASSERT_TRUE(pidfd) << pidfd.error().text();
  EXPECT_FALSE(has_died(pidfd->get()));
  EXPECT_EQ(fcntl(pidfd->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(ChannelTest, WithoutAFreeDescriptorAPeerIsNotSaidToBeGone) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto pidfd = peer_pidfd(here_.get());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(pidfd);
  EXPECT_EQ(pidfd.error().code, ErrorCode::kOutOfMemory);
}

// A socket in a private folder.
class PathTest : public ::testing::Test {
 protected:
  void listen_at(const std::string& path, int backlog = 16) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    listener_ = UniqueFd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener_.get(), backlog), 0);
  }
  void expect_refused(const std::string& path, ErrorCode code) {
    const auto socket = connect_socket(path);
    ASSERT_FALSE(socket);
    EXPECT_EQ(socket.error().code, code) << socket.error().text();
    EXPECT_THAT(socket.error().message, HasSubstr(path));
  }

  testing::TempFolder folder_;
  const std::string path_ = folder_.file("socket");
  UniqueFd listener_;
};

TEST_F(PathTest, ADeadPeerHasDied) {
  listen_at(path_);
  Child peer([&] { return connect_socket(path_) ? 0 : 1; });
  const UniqueFd socket(accept(listener_.get(), nullptr, nullptr));
  ASSERT_EQ(peer.wait(), 0);
  const auto pidfd = peer_pidfd(socket.get());
  if (pidfd) {  // kernels that keep it for a dead process
    EXPECT_TRUE(has_died(pidfd->get()));
  } else {
    EXPECT_EQ(pidfd.error().code, ErrorCode::kDisconnected);
  }
}

TEST_F(PathTest, WhereNobodyListensIsUnavailable) {
  expect_refused(path_, ErrorCode::kUnavailable);
  listen_at(path_);
  EXPECT_TRUE(connect_socket(path_));
  listener_.reset();
  expect_refused(path_, ErrorCode::kUnavailable);
}

TEST_F(PathTest, APathThatNoSocketCanHaveIsRefused) {
  expect_refused("", ErrorCode::kInvalidArgument);
  expect_refused("/" + std::string(107, 'x'), ErrorCode::kInvalidArgument);
  expect_refused("/" + std::string(106, 'x'), ErrorCode::kUnavailable);
}

TEST_F(PathTest, APathThatIsNotForUsIsPermissionDenied) {
  if (geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  listen_at(path_);
  ASSERT_EQ(chmod(folder_.file("").c_str(), 0700), 0);
  Child stranger([&] {
    if (setuid(65534) != 0) return 98;
    const auto socket = connect_socket(path_);
    return !socket && socket.error().code == ErrorCode::kPermissionDenied ? 0 : 1;
  });
  EXPECT_EQ(stranger.wait(), 0);
}

TEST_F(PathTest, AListenerThatNeverAcceptsIsUnavailableInTheEnd) {
  listen_at(path_, 0);
  const auto first = connect_socket(path_);  // fills the backlog
  ASSERT_TRUE(first);
  expect_refused(path_, ErrorCode::kUnavailable);
}

// /run/framering may or may not be there on this machine: what must hold is said for both.
TEST_F(PathTest, AClientLooksForTheUsersDaemonAndThenForThatOfTheSystem) {
  ASSERT_EQ(unsetenv("FRAMERING_SOCKET"), 0);
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", folder_.file("").c_str(), 1), 0);
  const std::string own = default_socket_path();
  const bool system_is_there = access("/run/framering/socket", F_OK) == 0;
  EXPECT_EQ(find_socket_path(), system_is_there ? "/run/framering/socket" : own);
  ASSERT_EQ(mkdir(folder_.file("framering").c_str(), 0700), 0);
  listen_at(own);
  EXPECT_EQ(find_socket_path(), own);
  ASSERT_EQ(setenv("FRAMERING_SOCKET", "/nowhere", 1), 0);
  EXPECT_EQ(find_socket_path(), "/nowhere") << "who names a socket means that one";
}

TEST(DefaultSocketPath, IsNamedByTheEnvironmentElseOfTheUserElseOfTheSystem) {
  ASSERT_EQ(setenv("FRAMERING_SOCKET", "/here", 1), 0);
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
  EXPECT_EQ(default_socket_path(), "/here");
  ASSERT_EQ(setenv("FRAMERING_SOCKET", "", 1), 0);
  EXPECT_EQ(default_socket_path(), "/run/user/7/framering/socket");
  ASSERT_EQ(unsetenv("FRAMERING_SOCKET"), 0);
  ASSERT_EQ(unsetenv("XDG_RUNTIME_DIR"), 0);
  EXPECT_EQ(default_socket_path(), "/run/framering/socket");
}

}  // namespace
}  // namespace framering::proto
