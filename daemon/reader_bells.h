// How clients call the pump: each has an eventfd, which the daemon neither reads nor writes, so that nothing
// a client does with its own reaches another client or holds up the pump.
#pragma once

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

class ReaderBells {
 public:
  static proto::Result<ReaderBells> create();

  // Any thread. A bell that is watched must be let go of before it is closed: its client keeps it open.
  proto::Status watch(int bell);
  void forget(int bell);

  // Pump thread. Readable while one has been rung since it was last taken.
  int fd() const { return set_.get(); }
  // Whether any has been rung since the last call.
  bool take();

 private:
  proto::UniqueFd set_;  // an epoll instance
};

}  // namespace framering::daemon
