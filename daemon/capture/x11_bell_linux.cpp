#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/capture/x11_bell.h"

namespace framering::daemon {

proto::Result<X11Bell> X11Bell::create() {
  // A pipe and not an eventfd: only a pipe can hang up.
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return proto::errno_error(proto::ErrorCode::kOutOfMemory, "cannot create a pipe", errno);
  }
  X11Bell bell;
  bell.reader_ = proto::UniqueFd(ends[0]);
  bell.writer_ = proto::UniqueFd(ends[1]);
  return bell;
}

void X11Bell::ring() {
  std::lock_guard lock(mutex_);
  if (rung_ || !writer_) return;
  rung_ = write(writer_.get(), "", 1) == 1;
}

void X11Bell::clear() {
  std::lock_guard lock(mutex_);
  char byte;
  if (rung_ && read(reader_.get(), &byte, 1) == 1) rung_ = false;
}

void X11Bell::close() {
  std::lock_guard lock(mutex_);
  writer_.reset();
}

}  // namespace framering::daemon
