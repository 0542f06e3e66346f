#include "daemon/capture/x11_caller.h"

#include <xcb/xcbext.h>

namespace framering::daemon {

using proto::Ok;
using proto::Status;

Status X11Caller::check(xcb_void_cookie_t cookie) const {
  const auto fence = reply<xcb_get_input_focus_reply_t>(xcb_get_input_focus(xcb()));
  if (!fence) return fence.error();
  return checked(cookie);
}

Status X11Caller::checked(xcb_void_cookie_t cookie) const {
  void* none = nullptr;
  xcb_generic_error_t* error = nullptr;
  if (!xcb_poll_for_reply(xcb(), cookie.sequence, &none, &error)) return Ok{};
  const XcbPtr<void> reply(none);
  const XcbPtr<xcb_generic_error_t> owner(error);
  if (error) return connection().failed(*error);
  return Ok{};
}

// Answers come in the order of the requests: what was sent before one that was waited for has come with it.
void X11Caller::count_round_trip(unsigned sequence) const {
  if (round_trips_ > 0 && static_cast<int>(sequence - awaited_) <= 0) return;
  awaited_ = sequence;
  ++round_trips_;
}

void X11Caller::interrupt() const {
  interrupted_ = true;
  hub_->wake_waiters();
  bell_.close();
}

proto::Error X11Caller::ended() const {
  if (interrupted_ && !connection().lost()) {
    return {proto::ErrorCode::kUnavailable, "the capture of the X server was interrupted", {}};
  }
  return connection().gone();
}

}  // namespace framering::daemon
