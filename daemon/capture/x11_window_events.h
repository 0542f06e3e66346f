// The events of one window that somebody wants. All of a connection share the window's one mask there: it is
// what they want together, and nothing once nobody wants anything.
#pragma once

#include <xcb/xcb.h>

#include <cstdint>
#include <utility>

#include "daemon/capture/x11_hub.h"

namespace framering::daemon {

// Any thread. Only sends requests; a window that is gone has no events. Of the root window the hub hears some
// in any case.
class X11WindowEvents {
 public:
  X11WindowEvents(X11Hub& hub, xcb_window_t window, uint32_t mask)
      : hub_(&hub), window_(window), mask_(mask) {
    hub_->select(window_, mask_);
  }
  X11WindowEvents(X11WindowEvents&& other) noexcept
      : hub_(std::exchange(other.hub_, nullptr)), window_(other.window_), mask_(other.mask_) {}
  ~X11WindowEvents() {
    if (hub_) hub_->deselect(window_, mask_);
  }
  X11WindowEvents& operator=(X11WindowEvents&&) = delete;

 private:
  X11Hub* hub_;
  xcb_window_t window_;
  uint32_t mask_;
};

}  // namespace framering::daemon
