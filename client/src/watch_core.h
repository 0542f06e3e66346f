// The pipe in which the daemon tells that what was listed has changed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "client/src/connection_core.h"
#include "framering/desktop.h"
#include "proto/message.h"
#include "proto/unique_fd.h"

namespace framering::internal {

// Asks the daemon once; throws what it answers.
Desktop ask_desktop(ConnectionCore& connection);

class WatchCore {
 public:
  // Throws as ask_desktop().
  explicit WatchCore(std::shared_ptr<ConnectionCore> connection);

  // See DesktopWatch; `deadline_ns` is CLOCK_MONOTONIC.
  std::optional<Desktop> next(uint64_t deadline_ns, const std::function<bool()>& on_signal);
  int fd() const { return pipe_.get(); }

 private:
  // False where the time is over, or `on_signal` gave up.
  bool wait(uint64_t deadline_ns, const std::function<bool()>& on_signal) const;

  const std::shared_ptr<ConnectionCore> connection_;
  proto::UniqueFd pipe_;
  bool listed_ = false;
};

}  // namespace framering::internal
