#include "daemon/capture/x11_watch.h"

#include <poll.h>

#include <algorithm>

#include "daemon/frame.h"

namespace framering::daemon {

using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

constexpr uint64_t kMillisecondNs = 1'000'000;
constexpr uint64_t kQuietNs = 50 * kMillisecondNs;         // no new size for so long: at rest
constexpr uint64_t kSettleLimitNs = 500 * kMillisecondNs;  // then whatever size it has
constexpr uint8_t kEventTypeMask = 0x7f;                   // the top bit marks events that clients sent

}  // namespace

// StructureNotify on the root tells of every new size, whether RandR or something else caused it.
X11Watch::X11Watch(const X11Connection& connection) : connection_(connection) {
  const uint32_t mask = XCB_EVENT_MASK_STRUCTURE_NOTIFY;
  xcb_change_window_attributes(connection_.xcb(), connection_.root(), XCB_CW_EVENT_MASK, &mask);
}

Status X11Watch::take_events() {
  while (const XcbPtr<xcb_generic_event_t> event{xcb_poll_for_event(connection_.xcb())}) take_event(*event);
  if (connection_.lost()) return connection_.gone();
  if (failure_) return *failure_;
  return Ok{};
}

void X11Watch::take_event(const xcb_generic_event_t& event) {
  const uint8_t type = event.response_type & kEventTypeMask;
  if (type == 0) {
    failure_ = connection_.failed(reinterpret_cast<const xcb_generic_error_t&>(event));
  } else if (type == connection_.damage_event()) {
    drawn_ = true;
  } else if (type == connection_.cursor_event()) {
    cursor_changed_ = true;
  } else if (type == XCB_CONFIGURE_NOTIFY) {
    const auto& configured = reinterpret_cast<const xcb_configure_notify_event_t&>(event);
    const X11Size size{configured.width, configured.height};
    if (configured.window != connection_.root() || size == size_) return;
    size_ = size;
    resized_ = true;
    resized_ns_ = now_ns();
  }
}

Result<X11Size> X11Watch::settled_size() {
  if (auto settled = settle(); !settled) return settled.error();
  connection_.count_round_trip();
  const auto cookie = xcb_get_geometry(connection_.xcb(), connection_.root());
  const XcbPtr<xcb_get_geometry_reply_t> reply(xcb_get_geometry_reply(connection_.xcb(), cookie, nullptr));
  if (!reply) return connection_.gone();
  size_ = {reply->width, reply->height};
  resized_ = false;
  // What came before the reply may name an older size, but the last event names the newest.
  if (auto taken = take_events(); !taken) return taken.error();
  return size_;
}

Status X11Watch::settle() {
  const uint64_t limit_ns = now_ns() + kSettleLimitNs;
  for (;;) {
    if (auto taken = take_events(); !taken) return taken;
    const uint64_t rest_ns = std::min(resized_ns_ + kQuietNs, limit_ns);
    const uint64_t now = now_ns();
    if (now >= rest_ns) return Ok{};
    pollfd fd{connection_.fd(), POLLIN, 0};
    poll(&fd, 1, static_cast<int>((rest_ns - now) / kMillisecondNs) + 1);
  }
}

}  // namespace framering::daemon
