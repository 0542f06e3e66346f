#include "framering/desktop.h"

#include <charconv>
#include <utility>

#include "client/src/wait_linux.h"
#include "client/src/watch_core.h"

namespace framering {

std::string MonitorInfo::source() const {
  return "monitor:" + name;
}

std::string WindowInfo::source() const {
  char text[16];
  return "window:0x" + std::string(text, std::to_chars(text, text + sizeof text, id, 16).ptr);
}

DesktopWatch::DesktopWatch(std::unique_ptr<internal::WatchCore> core) noexcept : core_(std::move(core)) {}
DesktopWatch::DesktopWatch(DesktopWatch&&) noexcept = default;
DesktopWatch& DesktopWatch::operator=(DesktopWatch&&) noexcept = default;
DesktopWatch::~DesktopWatch() = default;

std::optional<Desktop> DesktopWatch::next(std::chrono::nanoseconds timeout,
                                          const std::function<bool()>& on_signal) {
  return core_->next(internal::deadline_after(timeout), on_signal);
}

int DesktopWatch::fd() const noexcept {
  return core_->fd();
}

}  // namespace framering
