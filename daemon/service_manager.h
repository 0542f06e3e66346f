// What systemd hands to a service that it started, and what it is told: sd_listen_fds(3), sd_notify(3).
// Started by anything else, nothing is handed over and nobody is told. Io thread only.
#pragma once

#include <chrono>
#include <string>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

// The listening socket of frameringd.socket, or none: then the daemon makes its own. kInvalidArgument where
// something else was handed over than one listening SOCK_SEQPACKET socket with a path.
proto::Result<proto::UniqueFd> take_passed_socket();
// Before this program is started anew in place of this process: what was handed over is handed on.
void hand_on_passed_socket();

// The longest silence that WatchdogSec= allows; 0 = any.
std::chrono::microseconds watchdog_timeout();
// Whether anybody listens to the lines below.
bool has_service_manager();
// `status` is the line that `systemctl status` shows.
void tell_ready(const std::string& status);
void tell_status(const std::string& status);
void tell_alive();
void tell_stopping(const std::string& status);

}  // namespace framering::daemon
