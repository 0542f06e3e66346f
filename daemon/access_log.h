// Who was let in to what, and who was not: a line each, and where the journal takes our output, fields to
// search by (FRAMERING_UID, _PID, _EXE, _SOURCE, _VERDICT). Io thread only.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/log.h"
#include "daemon/policy.h"
#include "proto/channel.h"

namespace framering::daemon {

struct Access {
  bool allowed;
  std::string source;  // empty: the daemon itself
  std::string reason;
};

class AccessLog {
 public:
  // At most LogLimit::kLinesPerSecond.
  void write(const Access& access, const proto::PeerCredentials& peer, const Subject& subject,
             uint64_t now_ns);

 private:
  uint64_t second_ = 0;
  uint32_t lines_ = 0;
};

}  // namespace framering::daemon
