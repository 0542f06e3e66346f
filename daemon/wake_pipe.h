// A pipe whose reading end a client polls. A pipe and not an eventfd: O_NONBLOCK belongs to the open file,
// which a passed eventfd shares with the client; it could clear the flag, fill the counter and so block who
// writes. A pipe's ends are two open files.
#pragma once

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

class WakePipe {
 public:
  WakePipe() = default;  // none
  static proto::Result<WakePipe> create();

  explicit operator bool() const { return bool(writer_); }
  // For the client.
  proto::Result<proto::UniqueFd> export_reader() const;
  // Any thread, one at a time. Never blocks: a full pipe is readable already, which is all that a byte says.
  void ring() const;

 private:
  proto::UniqueFd reader_;  // kept, so that writing never finds it gone
  proto::UniqueFd writer_;
};

}  // namespace framering::daemon
