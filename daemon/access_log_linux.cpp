#include <spdlog/spdlog.h>
#include <sys/syslog.h>
#include <systemd/sd-journal.h>

#include <string>
#include <utility>

#include "daemon/access_log.h"
#include "daemon/journal.h"

namespace framering::daemon {

void AccessLog::write(const Access& access, const proto::PeerCredentials& peer, const Subject& subject,
                      uint64_t now_ns) {
  const auto level = access.allowed ? spdlog::level::info : spdlog::level::warn;
  if (!spdlog::should_log(level)) return;
  const uint64_t second = now_ns / 1'000'000'000;
  if (second != std::exchange(second_, second)) lines_ = 0;
  if (++lines_ > LogLimit::kLinesPerSecond) return;
  const std::string what = access.source.empty() ? "this daemon" : access.source;
  const std::string line = std::string(access.allowed ? "attached" : "denied") + " client " +
                           std::to_string(peer.pid) + " of user " + std::to_string(peer.uid) + ": " + what +
                           ": " + access.reason;
  if (!stderr_is_the_journal()) {
    spdlog::log(level, "{}", line);
    return;
  }
  sd_journal_send("MESSAGE=%s", line.c_str(), "PRIORITY=%i", access.allowed ? LOG_INFO : LOG_WARNING,
                  "FRAMERING_VERDICT=%s", access.allowed ? "allowed" : "denied", "FRAMERING_UID=%u", peer.uid,
                  "FRAMERING_PID=%u", peer.pid, "FRAMERING_EXE=%s", subject.exe.c_str(),
                  "FRAMERING_SOURCE=%s", access.source.c_str(), static_cast<void*>(nullptr));
}

}  // namespace framering::daemon
