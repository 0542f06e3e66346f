#include "daemon/descriptor.h"

#include <fcntl.h>

#include <cerrno>

namespace framering::daemon {

proto::Result<proto::UniqueFd> duplicate(int fd) {
  proto::UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (copy) return copy;
  return proto::errno_error(proto::ErrorCode::kOutOfMemory, "cannot duplicate a descriptor", errno);
}

}  // namespace framering::daemon
