// A descriptor to poll that one thread rings for another: readable once rung until cleared, hung up once
// closed.
#pragma once

#include <mutex>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

// Any thread.
class X11Bell {
 public:
  static proto::Result<X11Bell> create();
  X11Bell(X11Bell&& other) noexcept
      : reader_(std::move(other.reader_)), writer_(std::move(other.writer_)), rung_(other.rung_) {}

  int fd() const { return reader_.get(); }
  void ring();
  void clear();
  void close();  // for good

 private:
  X11Bell() = default;

  std::mutex mutex_;
  proto::UniqueFd reader_;
  proto::UniqueFd writer_;
  bool rung_ = false;
};

}  // namespace framering::daemon
