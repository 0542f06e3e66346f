// Part of the public API.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "framering/desktop.h"
#include "framering/error.h"
#include "framering/export.h"
#include "framering/stream.h"
#include "framering/types.h"

namespace framering {

namespace internal {
class ConnectionCore;
}

// A connection to frameringd. Every member may be called from any thread. It belongs to the process that made
// it: a forked child gets `forked` errors and connects again. One helper thread waits for the daemon's end,
// so that no wait outlasts it; a lost connection stays lost, and connecting again is the caller's decision.
class FRAMERING_API Connection {
 public:
  // Path: empty means $FRAMERING_SOCKET, else $XDG_RUNTIME_DIR/framering/socket where that is there, else
  // /run/framering/socket.
  // The name, up to 64 bytes, is for lists and logs: empty means the program's.
  // Throws unavailable (no daemon: the hint says how to start one), permission_denied, version,
  // quota_exceeded.
  static Connection connect(const std::string& socket_path = {}, const std::string& client_name = {});

  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  std::vector<StreamInfo> list();
  // The monitors and windows of the display that the daemon captures: what the policy lets this user open.
  // Throws unavailable (no X server, with the reason), invalid_argument (no display is configured), timeout.
  Desktop desktop();
  // Tells when it changes. A later call takes the place of an earlier one's watch.
  DesktopWatch watch_desktop();
  // What the daemon counts, as text for Prometheus (exposition format 0.0.4).
  std::string metrics();

  // What the daemon's policy says to a user who asks for this source, and why, and how much of his quota he
  // has taken. Others than oneself: for root and the daemon's own user, else throws permission_denied.
  struct QuotaUse {
    std::string name;  // the configuration's: "clients_per_uid"
    uint64_t used = 0;
    uint64_t limit = 0;
  };
  struct Verdict {
    bool allowed = false;
    std::string reason;
    std::vector<QuotaUse> quota;
  };
  Verdict check_policy(uint32_t uid, const std::string& source);
  // Has the daemon read its configuration again: policy, quotas, log level. For root and its own user.
  // Throws permission_denied, and invalid_argument (with file, line and column) where it stays as it was.
  void reload();

  // Throws not_found, invalid_argument, memory_unavailable, quota_exceeded, unavailable.
  Stream open(const OpenOptions& options = {});

  const std::string& daemon_version() const noexcept;
  uint32_t daemon_pid() const noexcept;

 private:
  explicit Connection(std::shared_ptr<internal::ConnectionCore> core) noexcept;
  std::shared_ptr<internal::ConnectionCore> core_;
};

}  // namespace framering
