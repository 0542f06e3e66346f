// What the X server tells unasked: that something was drawn, that the root window has another size or the
// pointer another picture, that a request failed. xcb reads events ahead while it waits for replies, so that
// they are kept here until asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "daemon/capture/x11_connection.h"
#include "proto/result.h"

namespace framering::daemon {

struct X11Size {
  uint16_t width = 0;   // pixels
  uint16_t height = 0;  // pixels
  friend bool operator==(const X11Size&, const X11Size&) = default;
};

class X11Watch {
 public:
  explicit X11Watch(const X11Connection& connection);

  // Takes in all events that are there, without blocking.
  proto::Status take_events();

  // Since the last call.
  bool drawn() { return std::exchange(drawn_, false); }
  bool resized() { return std::exchange(resized_, false); }
  bool cursor_changed() { return std::exchange(cursor_changed_, false); }  // its picture

  X11Size size() const { return size_; }  // as last heard
  // Asks the server, after a change of mode has come to rest: it passes through other sizes.
  proto::Result<X11Size> settled_size();

 private:
  void take_event(const xcb_generic_event_t& event);
  proto::Status settle();

  const X11Connection& connection_;
  X11Size size_;
  uint64_t resized_ns_ = 0;
  bool drawn_ = false;
  bool resized_ = false;
  bool cursor_changed_ = false;
  std::optional<proto::Error> failure_;
};

}  // namespace framering::daemon
