// What is to be seen where pixels come from: monitors and windows. One thread drives it; interrupt() alone
// may be called from another.
#pragma once

#include <functional>
#include <memory>

#include "proto/message.h"
#include "proto/result.h"

namespace framering::daemon {

class Desktop {
 public:
  virtual ~Desktop() = default;

  // Everything, as it is now. kUnavailable when it is gone.
  virtual proto::Result<proto::DesktopReply> look() = 0;

  // Whether it may be another than look() told last, up to this call; one round trip. kUnavailable when it is
  // gone.
  virtual proto::Result<bool> may_differ() = 0;

  // Readable once it may differ, until may_differ() is called. Stays the same while the desktop lives.
  virtual int event_fd() const = 0;

  // Any thread. Ends a call that hangs on an unresponsive peer, for good.
  virtual void interrupt() = 0;
};

using DesktopFactory = std::function<proto::Result<std::unique_ptr<Desktop>>()>;

}  // namespace framering::daemon
