#include "daemon/capture/x11_segment.h"

#include <utility>

#include "daemon/descriptor.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Result;

Result<X11Segment> X11Segment::attach(const X11Caller& caller, int fd) {
  auto copy = duplicate(fd);
  if (!copy) return copy.error();
  const xcb_shm_seg_t id = xcb_generate_id(caller.xcb());
  // xcb closes the copy.
  const auto cookie = xcb_shm_attach_fd_checked(caller.xcb(), id, copy->release(), /*read_only=*/0);
  if (auto attached = caller.check(cookie); !attached) {
    if (caller.has_ended()) return attached.error();
    return Error{ErrorCode::kUnavailable, "our memory cannot be shared: " + attached.error().message,
                 "name the server's own display, not a forwarded or proxied one"};
  }
  return X11Segment(caller, id);
}

X11Segment::X11Segment(X11Segment&& other) noexcept
    : caller_(other.caller_), id_(std::exchange(other.id_, XCB_NONE)) {}

X11Segment::~X11Segment() {
  if (id_ != XCB_NONE) xcb_shm_detach(caller_->xcb(), id_);
}

}  // namespace framering::daemon
