#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <cstdlib>

#include "daemon/service_manager.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::UniqueFd;

namespace {

constexpr int kKeepEnvironment = 0;  // for hand_on_passed_socket(); this process starts no others

void tell(const std::string& lines) {
  sd_notify(kKeepEnvironment, lines.c_str());
}

}  // namespace

proto::Result<UniqueFd> take_passed_socket() {
  const int count = sd_listen_fds(kKeepEnvironment);
  if (count == 0) return UniqueFd();
  if (count < 0) return proto::errno_error(ErrorCode::kInvalidArgument, "cannot read LISTEN_FDS", -count);
  const int passed = SD_LISTEN_FDS_START;
  if (count > 1 || sd_is_socket_unix(passed, SOCK_SEQPACKET, 1, nullptr, 0) <= 0) {
    return Error{ErrorCode::kInvalidArgument, "systemd handed over something else than one listening socket",
                 "frameringd.socket takes one ListenSequentialPacket= with a path, and no more"};
  }
  // A copy: the one of systemd's number is kept for hand_on_passed_socket().
  UniqueFd own(fcntl(passed, F_DUPFD_CLOEXEC, 0));
  if (!own) return proto::errno_error(ErrorCode::kOutOfMemory, "cannot copy the passed socket", errno);
  return own;
}

void hand_on_passed_socket() {
  if (sd_listen_fds(kKeepEnvironment) > 0) fcntl(SD_LISTEN_FDS_START, F_SETFD, 0);
}

std::chrono::microseconds watchdog_timeout() {
  uint64_t timeout_us = 0;
  return std::chrono::microseconds(sd_watchdog_enabled(kKeepEnvironment, &timeout_us) > 0 ? timeout_us : 0);
}

bool has_service_manager() {
  const char* address = std::getenv("NOTIFY_SOCKET");
  return address && *address;
}

void tell_ready(const std::string& status) {
  tell("READY=1\nSTATUS=" + status);
}
void tell_status(const std::string& status) {
  tell("STATUS=" + status);
}
void tell_alive() {
  tell("WATCHDOG=1");
}
void tell_stopping(const std::string& status) {
  tell("STOPPING=1\nSTATUS=" + status);
}

}  // namespace framering::daemon
