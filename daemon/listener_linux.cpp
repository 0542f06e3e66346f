#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "daemon/listener.h"
#include "proto/channel.h"

namespace framering::daemon {

using proto::errno_error;
using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Status;
using proto::UniqueFd;

namespace {

constexpr int kBacklog = 128;

Status make_folder(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directory(folder, error);
  if (error) {
    return Error{ErrorCode::kPermissionDenied, "cannot make " + folder.string() + ": " + error.message(),
                 "choose another path with --socket"};
  }
  return Ok{};
}

Error in_use(const std::string& path, const std::string& by) {
  return Error{ErrorCode::kAlreadyInUse, "socket " + path + " is in use by " + by,
               "stop it, or choose another path with --socket"};
}

// Who listens at the path; nobody is an error of connect_socket().
proto::Result<std::string> listener_at(const std::string& path) {
  const auto socket = proto::connect_socket(path);
  if (!socket) return socket.error();
  const auto peer = proto::peer_credentials(socket->get());
  return "the process " + (peer ? std::to_string(peer->pid) : std::string("of an unknown pid"));
}

// Only a refusal says that nobody listens: a full backlog, missing rights or another type of socket do not.
bool is_stale(const sockaddr_un& address) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return socket && connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

proto::Result<Listener> Listener::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{ErrorCode::kInvalidArgument,
                 "socket path \"" + path + "\" must have 1 to " +
                     std::to_string(sizeof address.sun_path - 1) + " bytes",
                 {}};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (auto made = make_folder(path); !made) return made.error();

  UniqueFd lock(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return errno_error(ErrorCode::kPermissionDenied, "cannot open " + path + ".lock", errno);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    const auto owner = listener_at(path);
    return in_use(path, owner ? *owner : "a daemon that is just starting or stopping");
  }
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return Error{ErrorCode::kAlreadyInUse, path + " is there and is no socket",
                   "remove it, or choose another path with --socket"};
    }
    if (!is_stale(address)) {
      const auto owner = listener_at(path);
      return in_use(path, owner ? *owner : "a process that does not let us in");
    }
    if (unlink(path.c_str()) != 0)
      return errno_error(ErrorCode::kPermissionDenied, "cannot remove " + path, errno);
  }

  Listener listener(path, std::move(lock));
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(ErrorCode::kPermissionDenied, "cannot bind " + path, errno);
  }
  listener.socket_ = std::move(socket);
  if (chmod(path.c_str(), 0666) != 0 || listen(listener.fd(), kBacklog) != 0) {
    return errno_error(ErrorCode::kInternal, "cannot listen on " + path, errno);
  }
  return listener;
}

proto::Result<Listener> Listener::adopt(UniqueFd socket) {
  sockaddr_un address{};
  socklen_t length = sizeof address;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
      address.sun_family != AF_UNIX || length <= offsetof(sockaddr_un, sun_path) || !address.sun_path[0]) {
    return Error{ErrorCode::kInvalidArgument, "the socket that was handed over has no path",
                 "name one with ListenSequentialPacket="};
  }
  if (fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK) != 0) {
    return errno_error(ErrorCode::kInternal, "cannot use the socket that was handed over", errno);
  }
  const size_t bytes = length - offsetof(sockaddr_un, sun_path);
  Listener listener(std::string(address.sun_path, strnlen(address.sun_path, bytes)), UniqueFd());
  listener.socket_ = std::move(socket);
  return listener;
}

// The lock file stays: removed, a second start could lock the old file and a third one a new one.
Listener::~Listener() {
  if (socket_ && lock_) unlink(path_.c_str());
}

}  // namespace framering::daemon
