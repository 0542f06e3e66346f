#include "daemon/supervision.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "daemon/service_manager.h"

namespace framering::daemon {

namespace {

constexpr std::chrono::seconds kStatusInterval{5};
// Looks within a watchdog's time: one late answer does not end the daemon, a thread that hangs does.
constexpr int kLooksInTime = 4;

std::chrono::microseconds look_interval() {
  const std::chrono::microseconds timeout = watchdog_timeout();
  return timeout.count() > 0 ? timeout / kLooksInTime : kStatusInterval;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Supervision::Supervision(boost::asio::io_context& io, Server& server)
    : server_(server), timer_(io), interval_(look_interval()) {}

void Supervision::start() {
  if (!has_service_manager()) return;
  status_ = server_.status();
  tell_ready(status_);
  look();
}

void Supervision::wait() {
  timer_.expires_after(interval_);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) look();
  });
}

void Supervision::look() {
  std::vector<std::string> silent = server_.silent_streams();
  if (silent.empty()) tell_alive();
  if (silent != silent_) {
    if (silent.empty()) {
      spdlog::info("all streams answer again");
    } else {
      spdlog::warn("no sign of life from the threads of: {}", joined(silent));
    }
  }
  silent_ = std::move(silent);
  std::string status = silent_.empty() ? server_.status() : "No sign of life from " + joined(silent_);
  if (status != status_) tell_status(status_ = std::move(status));
  wait();
}

}  // namespace framering::daemon
