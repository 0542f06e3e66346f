// The one descriptor that an event loop watches for a stream: its epochs' wake pipes come and go behind it.
#pragma once

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::internal {

class WakeSet {
 public:
  static proto::Result<WakeSet> make();

  int fd() const { return set_.get(); }
  // Watches this pipe, and no longer the one before it.
  proto::Status watch(int wake_pipe);
  // Readable from now on, whatever drain() reads.
  void close() const;
  void drain() const;

 private:
  proto::UniqueFd set_;  // an epoll instance
  proto::UniqueFd closed_;
  int wake_pipe_ = -1;
};

}  // namespace framering::internal
