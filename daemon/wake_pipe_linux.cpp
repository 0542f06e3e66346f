#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/descriptor.h"
#include "daemon/wake_pipe.h"

namespace framering::daemon {

using proto::errno_error;
using proto::ErrorCode;

proto::Result<WakePipe> WakePipe::create() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return errno_error(ErrorCode::kOutOfMemory, "cannot create a wake pipe", errno);
  }
  WakePipe pipe;
  pipe.reader_ = proto::UniqueFd(ends[0]);
  pipe.writer_ = proto::UniqueFd(ends[1]);
  return pipe;
}

proto::Result<proto::UniqueFd> WakePipe::export_reader() const {
  return duplicate(reader_.get());
}

void WakePipe::ring() const {
  const char byte = 1;
  [[maybe_unused]] const ssize_t written = write(writer_.get(), &byte, 1);
}

}  // namespace framering::daemon
