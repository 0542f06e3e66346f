#include <sys/epoll.h>

#include <cerrno>

#include "daemon/reader_bells.h"

namespace framering::daemon {

using proto::errno_error;
using proto::ErrorCode;

proto::Result<ReaderBells> ReaderBells::create() {
  ReaderBells bells;
  bells.set_ = proto::UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!bells.set_) return errno_error(ErrorCode::kOutOfMemory, "cannot create an epoll set", errno);
  return bells;
}

// Edge-triggered, so that a bell need not be read: with what is in it a client may do as it likes.
proto::Status ReaderBells::watch(int bell) {
  epoll_event event{EPOLLIN | EPOLLET, {}};
  if (epoll_ctl(set_.get(), EPOLL_CTL_ADD, bell, &event) == 0) return proto::Ok{};
  return errno_error(ErrorCode::kOutOfMemory, "cannot watch a client's bell", errno);
}

void ReaderBells::forget(int bell) {
  epoll_ctl(set_.get(), EPOLL_CTL_DEL, bell, nullptr);
}

bool ReaderBells::take() {
  epoll_event rung[64];
  return epoll_wait(set_.get(), rung, 64, 0) > 0;
}

}  // namespace framering::daemon
