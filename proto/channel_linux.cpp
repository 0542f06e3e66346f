#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "proto/channel.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace framering::proto {

namespace {

// Room for one descriptor more than is allowed: a packet with too many is seen as such and not as a truncated
// one.
constexpr size_t kControlBytes = CMSG_SPACE(sizeof(int) * (kMaxMessageFds + 1));

std::vector<UniqueFd> take_fds(msghdr& header) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(item) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

// Field 22 of /proc/PID/stat; a pid that is used again has another one.
std::optional<std::string> start_time(uint32_t pid) {
  const UniqueFd stat(open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  char text[1024];
  const ssize_t length = stat ? read(stat.get(), text, sizeof text) : -1;
  if (length <= 0) return std::nullopt;
  std::string rest(text, static_cast<size_t>(length));
  // The name, field 2, may hold spaces and parentheses.
  size_t position = rest.rfind(')');
  for (int field = 2; field < 22 && position != std::string::npos; ++field)
    position = rest.find(' ', position + 1);
  if (position == std::string::npos) return std::nullopt;
  return rest.substr(position + 1, rest.find(' ', position + 1) - position - 1);
}

}  // namespace

Result<Received> receive_packet(int socket) {
  std::byte bytes[kMaxMessageBytes];
  alignas(cmsghdr) char control[kControlBytes];
  iovec part{bytes, sizeof bytes};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t length;
  // ECONNRESET is told once, before what the other end had sent until it hung up.
  do {
    length = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (length < 0 && (errno == EINTR || errno == ECONNRESET));
  if (length < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Received{ReceiveState::kWouldBlock, {}};
    return errno_error(ErrorCode::kDisconnected, "cannot receive from the other end", errno);
  }
  std::vector<UniqueFd> fds = take_fds(header);
  if (header.msg_flags & MSG_TRUNC) return Error{ErrorCode::kProtocol, "message longer than 65536 bytes", {}};
  if (header.msg_flags & MSG_CTRUNC || fds.size() > kMaxMessageFds) {
    return Error{ErrorCode::kProtocol, "descriptors of a message were lost",
                 "too many were sent, or this process has none free: see ulimit -n"};
  }
  if (length == 0) return Received{ReceiveState::kClosed, {}};
  return Received{ReceiveState::kPacket, Packet{{bytes, bytes + length}, std::move(fds)}};
}

Status send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> fds) {
  if (bytes.empty() || bytes.size() > kMaxMessageBytes || fds.size() > kMaxMessageFds) {
    return Error{ErrorCode::kProtocol, "message does not fit a packet", {}};
  }
  alignas(cmsghdr) char control[kControlBytes] = {};
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(item), fds.data(), fds.size_bytes());
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return Ok{};
  switch (errno) {
    case EAGAIN:
      return Error{ErrorCode::kUnavailable, "the other end does not read its messages", {}};
    case EPIPE:
    case ECONNRESET:
      return Error{ErrorCode::kDisconnected, "the other end is gone", {}};
    case ETOOMANYREFS:
    case EMFILE:
      return Error{ErrorCode::kOutOfMemory, "too many descriptors are on their way",
                   "raise ulimit -n of frameringd"};
    default:
      return errno_error(ErrorCode::kInternal, "cannot send to the other end", errno);
  }
}

Result<size_t> unread_by_peer(int socket) {
  int bytes = 0;
  if (ioctl(socket, SIOCOUTQ, &bytes) != 0)
    return errno_error(ErrorCode::kInternal, "cannot query a socket", errno);
  return static_cast<size_t>(bytes);
}

Result<PeerCredentials> peer_credentials(int socket) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return errno_error(ErrorCode::kInternal, "cannot tell who the other end is", errno);
  }
  return PeerCredentials{static_cast<uint32_t>(credentials.pid), credentials.uid, credentials.gid};
}

Result<UniqueFd> peer_pidfd(int socket) {
  const auto failure = [](int error) {
    return error == EMFILE || error == ENFILE
               ? errno_error(ErrorCode::kOutOfMemory, "cannot open a pidfd of the other end", error)
               : Error{ErrorCode::kDisconnected, "the other end's process is gone", {}};
  };
  int fd = -1;
  socklen_t length = sizeof fd;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &length) == 0) return UniqueFd(fd);
  if (errno != ENOPROTOOPT) return failure(errno);

  const auto peer = peer_credentials(socket);
  if (!peer) return peer.error();
  const auto before = start_time(peer->pid);
  UniqueFd opened(static_cast<int>(syscall(SYS_pidfd_open, peer->pid, 0)));
  if (!opened) return failure(errno);
  if (!before || before != start_time(peer->pid)) return failure(ESRCH);
  return opened;
}

bool has_died(int pidfd) {
  pollfd state{pidfd, POLLIN, 0};
  return poll(&state, 1, 0) > 0;
}

Result<UniqueFd> connect_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{ErrorCode::kInvalidArgument,
                 "socket path \"" + path + "\" must have 1 to " +
                     std::to_string(sizeof address.sun_path - 1) + " bytes",
                 {}};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return errno_error(ErrorCode::kOutOfMemory, "cannot create a socket", errno);
  // While others fill the backlog, connect() waits its turn, this long.
  const timeval patience{5, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  int error = EINTR;
  while (error == EINTR) {
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      return socket;
    error = errno;
  }
  const std::string what = "cannot connect to " + path;
  if (error == EACCES || error == EPERM) return errno_error(ErrorCode::kPermissionDenied, what, error);
  return errno_error(ErrorCode::kUnavailable, what, error);
}

namespace {

constexpr const char* kSystemSocket = "/run/framering/socket";

}  // namespace

std::string default_socket_path() {
  if (const char* path = std::getenv("FRAMERING_SOCKET"); path && *path) return path;
  if (const char* folder = std::getenv("XDG_RUNTIME_DIR"); folder && *folder) {
    return std::string(folder) + "/framering/socket";
  }
  return kSystemSocket;
}

std::string find_socket_path() {
  std::string path = default_socket_path();
  const char* named = std::getenv("FRAMERING_SOCKET");
  const bool chosen = named && *named;
  return chosen || access(path.c_str(), F_OK) == 0 || access(kSystemSocket, F_OK) != 0 ? path : kSystemSocket;
}

}  // namespace framering::proto
