#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "daemon/handed_display.h"

namespace framering::daemon {

proto::Status HandedDisplay::put(DisplayAccess access) {
  proto::UniqueFd socket(fcntl(access.socket.get(), F_DUPFD_CLOEXEC, 0));
  if (!socket) {
    return proto::errno_error(proto::ErrorCode::kOutOfMemory, "cannot copy a display's descriptor", errno);
  }
  std::lock_guard lock(mutex_);
  access_ = std::move(access);
  socket_ = std::move(socket);
  return proto::Ok{};
}

void HandedDisplay::withdraw() {
  std::lock_guard lock(mutex_);
  if (socket_) ::shutdown(socket_.get(), SHUT_RDWR);
  socket_.reset();
  access_.reset();
}

std::optional<DisplayAccess> HandedDisplay::take() {
  std::lock_guard lock(mutex_);
  return std::exchange(access_, std::nullopt);
}

}  // namespace framering::daemon
