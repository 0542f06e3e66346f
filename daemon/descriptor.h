// File descriptors.
#pragma once

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

// Another descriptor of the same open file, closed on exec. kOutOfMemory where there are no more.
proto::Result<proto::UniqueFd> duplicate(int fd);

}  // namespace framering::daemon
