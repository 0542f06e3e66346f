// Our memory, as the X server maps it.
#pragma once

#include <xcb/shm.h>

#include "daemon/capture/x11_caller.h"
#include "proto/result.h"

namespace framering::daemon {

class X11Segment {
 public:
  // The server maps all of `fd` for writing before this returns.
  static proto::Result<X11Segment> attach(const X11Caller& caller, int fd);
  X11Segment(X11Segment&& other) noexcept;
  ~X11Segment();

  xcb_shm_seg_t id() const { return id_; }

 private:
  X11Segment(const X11Caller& caller, xcb_shm_seg_t id) : caller_(&caller), id_(id) {}

  const X11Caller* caller_;
  xcb_shm_seg_t id_;  // XCB_NONE: moved away
};

}  // namespace framering::daemon
