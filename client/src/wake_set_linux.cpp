#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "client/src/wake_set.h"

namespace framering::internal {

using proto::ErrorCode;
using proto::UniqueFd;

namespace {

proto::Status add(int set, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0) return proto::Ok{};
  return proto::errno_error(ErrorCode::kOutOfMemory, "cannot watch a wake pipe", errno);
}

}  // namespace

proto::Result<WakeSet> WakeSet::make() {
  WakeSet made;
  made.set_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!made.set_) return proto::errno_error(ErrorCode::kOutOfMemory, "cannot create an epoll set", errno);
  made.closed_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!made.closed_) return proto::errno_error(ErrorCode::kOutOfMemory, "cannot create an eventfd", errno);
  if (auto added = add(made.set_.get(), made.closed_.get()); !added) return added.error();
  return made;
}

proto::Status WakeSet::watch(int wake_pipe) {
  // The pipe before belongs to a frame's epoch, perhaps, and is then still open.
  if (wake_pipe_ >= 0) epoll_ctl(set_.get(), EPOLL_CTL_DEL, wake_pipe_, nullptr);
  wake_pipe_ = -1;
  if (auto added = add(set_.get(), wake_pipe); !added) return added;
  wake_pipe_ = wake_pipe;
  return proto::Ok{};
}

void WakeSet::close() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(closed_.get(), &one, sizeof one);
}

void WakeSet::drain() const {
  char bytes[256];
  while (read(wake_pipe_, bytes, sizeof bytes) > 0) {
  }
}

}  // namespace framering::internal
