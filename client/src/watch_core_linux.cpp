#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "client/src/errors.h"
#include "client/src/wait_linux.h"
#include "client/src/watch_core.h"

namespace framering::internal {

namespace {

// A signal that comes just before the wait interrupts nothing.
constexpr uint64_t kSignalPollNs = 1'000'000'000;

MonitorInfo to_public(proto::MonitorInfo&& from) {
  return {.name = std::move(from.name),
          .output = std::move(from.output),
          .x = from.x,
          .y = from.y,
          .width = from.width,
          .height = from.height,
          .primary = from.primary,
          .order = from.order,
          .refresh_hz = from.refresh_hz,
          .scale = from.scale,
          .width_mm = from.width_mm,
          .height_mm = from.height_mm,
          .make = std::move(from.make),
          .model = std::move(from.model),
          .edid = std::move(from.edid)};
}

WindowInfo to_public(proto::WindowInfo&& from) {
  return {.id = from.id,
          .title = std::move(from.title),
          .class_name = std::move(from.class_name),
          .instance = std::move(from.instance),
          .pid = from.pid,
          .x = from.x,
          .y = from.y,
          .width = from.width,
          .height = from.height,
          .mapped = from.mapped,
          .minimised = from.minimised,
          .active = from.active,
          .workspace = from.workspace};
}

}  // namespace

Desktop ask_desktop(ConnectionCore& connection) {
  require_own_process(connection);
  auto reply = value_or_raise(connection.request(proto::DesktopRequest{}));
  auto* from = std::get_if<proto::DesktopReply>(&reply.body);
  if (!from) throw Error(ErrorCode::protocol, "frameringd answered something else");
  Desktop desktop{.display = std::move(from->display),
                  .width = from->width,
                  .height = from->height,
                  .window_count = from->window_count,
                  .monitors_withheld = std::move(from->monitors_withheld),
                  .windows_withheld = std::move(from->windows_withheld)};
  for (auto& monitor : from->monitors) desktop.monitors.push_back(to_public(std::move(monitor)));
  for (auto& window : from->windows) desktop.windows.push_back(to_public(std::move(window)));
  return desktop;
}

WatchCore::WatchCore(std::shared_ptr<ConnectionCore> connection) : connection_(std::move(connection)) {
  require_own_process(*connection_);
  auto reply = value_or_raise(connection_->request(proto::WatchRequest{}));
  if (!std::holds_alternative<proto::WatchReply>(reply.body) || reply.fds.size() != 1) {
    throw Error(ErrorCode::protocol, "frameringd answered something else");
  }
  pipe_ = std::move(reply.fds[0]);
}

std::optional<Desktop> WatchCore::next(uint64_t deadline_ns, const std::function<bool()>& on_signal) {
  require_own_process(*connection_);
  if (listed_ && !wait(deadline_ns, on_signal)) return std::nullopt;
  // Also where the answer is an error: what is waited for next is its end.
  listed_ = true;
  return ask_desktop(*connection_);
}

bool WatchCore::wait(uint64_t deadline_ns, const std::function<bool()>& on_signal) const {
  for (;;) {
    pollfd state{pipe_.get(), POLLIN, 0};
    const uint64_t now = now_ns();
    uint64_t until_ns = std::max(deadline_ns, now);
    if (on_signal) until_ns = std::min(until_ns, now + kSignalPollNs);
    const uint64_t longest_ns = uint64_t{INT32_MAX} * 1'000'000;
    const int patience_ms = static_cast<int>((std::min(until_ns - now, longest_ns) + 999'999) / 1'000'000);
    const int ready = poll(&state, 1, patience_ms);
    if (ready > 0) break;
    if (on_signal && !on_signal()) return false;
    if (ready == 0 && now_ns() >= deadline_ns) return false;
  }
  char bytes[64];
  if (read(pipe_.get(), bytes, sizeof bytes) > 0) return true;
  throw Error(ErrorCode::disconnected, "frameringd tells of no more changes",
              "the connection is lost, or watched by another");
}

}  // namespace framering::internal
