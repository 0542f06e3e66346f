#include "daemon/capture/x11_view.h"

namespace framering::daemon {

using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;

void X11View::heard(uint8_t type, const xcb_generic_event_t&) {
  cursor_.heard(type);
}

void X11View::woken() {
  if (caller_.connection().lost()) return caller_.bell().close();
  caller_.bell().ring();
}

Status X11View::bind_picture(X11Damage& damage, const X11Picture& picture, const Geometry& geometry,
                             std::span<const Surface> surfaces) {
  auto copier = make_x11_copier(copy_method_, caller_, damage, picture, geometry.stride(), surfaces);
  if (!copier) return copier.error();
  copier_ = *std::move(copier);
  cursor_.bind(geometry, surfaces);
  surfaces_stale_ = true;
  return Ok{};
}

void X11View::set_picture(xcb_drawable_t drawable, X11Damage& damage) {
  surfaces_stale_ = true;
  if (copier_) copier_->set_source(drawable, damage);
}

Result<SourceEvents> X11View::poll() {
  caller_.hub().take_events();
  caller_.bell().clear();
  if (caller_.has_ended()) return caller_.ended();
  auto events = news();
  if (!events) return events.error();
  events->changed |= cursor_.must_repaint();
  events->blanked = caller_.hub().is_blanked();
  return events;
}

Result<CaptureInfo> X11View::capture(size_t surface, Request request) {
  CaptureInfo info;
  info.requested_ns = now_ns();
  const bool everything = request == Request::kFull || surfaces_stale_;
  Status copied = copier_->copy(surface, everything, info.damage);
  if (copied) copied = cursor_.paint(window(), is_shown(), surface, *copier_, info.damage);
  info.done_ns = now_ns();
  if (caller_.has_ended()) return caller_.ended();
  if (const Status valid = check_copied(); !valid) {
    if (valid.error().code == ErrorCode::kInvalidArgument) {
      surfaces_stale_ = true;
      caller_.bell().ring();  // poll() tells of it
    }
    return valid.error();
  }
  if (!copied) return copied.error();
  surfaces_stale_ = false;
  return info;
}

Result<std::shared_ptr<X11Hub>> find_x11_hub(const std::string& display,
                                             const std::shared_ptr<X11Hubs>& hubs) {
  return hubs ? hubs->get(display) : X11Hub::open(display);
}

}  // namespace framering::daemon
