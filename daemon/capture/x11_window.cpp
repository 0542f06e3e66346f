#include "daemon/capture/x11_window.h"

#include <xcb/composite.h>

#include <mutex>
#include <utility>

#include "daemon/capture/x11_view.h"
#include "daemon/capture/x11_window_picture.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

class X11Window final : public X11View {
 public:
  X11Window(std::shared_ptr<X11Hub> hub, X11Bell bell, const X11WindowOptions& options)
      : X11View(std::move(hub), std::move(bell), options.copy_method, options.embed_cursor),
        name_(options.name) {
    listen();
  }
  ~X11Window() override { stop_listening(); }

  // Before all else: finds the window and takes hold of its picture.
  Status attach();

  Result<Geometry> geometry() override;
  Status bind(const Geometry& geometry, std::span<const Surface> surfaces) override;
  Status sync() override;
  Result<std::optional<proto::DesktopPoint>> position() override;

 private:
  // What events say of the window that is captured.
  struct Heard {
    bool drawn = false;
    bool renewed = false;  // it has another picture
    bool moved = true;     // since it was last asked where it is
    bool hidden = false;
    bool top_hidden = false;  // the window that it is in
    bool destroyed = false;
    bool focus = false;  // another window may have it

    bool is_shown() const { return !hidden && !top_hidden && !destroyed; }
  };

  xcb_window_t window() const override { return picture_->id(); }
  bool is_shown() const override;
  Result<SourceEvents> news() override;
  Status check_copied() override;
  void heard(uint8_t type, const xcb_generic_event_t& event) override;

  bool follows_focus() const { return std::holds_alternative<ActiveWindow>(name_); }
  Status follow_focus();
  Error closed() const;

  const X11WindowName name_;
  std::unique_ptr<X11WindowPicture> picture_;
  Geometry geometry_;

  mutable std::mutex mutex_;  // guards what follows
  xcb_window_t window_ = XCB_NONE;
  xcb_window_t top_ = XCB_NONE;  // the child of the root that it is in
  xcb_damage_damage_t damage_ = XCB_NONE;
  X11Area shown_;  // its newest size
  Heard heard_;
};

void X11Window::heard(uint8_t type, const xcb_generic_event_t& event) {
  X11View::heard(type, event);
  std::lock_guard lock(mutex_);
  bool news = false;
  const auto note = [&](bool& what) { what = news = true; };
  if (type == caller_.connection().damage_event()) {
    if (reinterpret_cast<const xcb_damage_notify_event_t&>(event).damage == damage_) note(heard_.drawn);
  } else if (type == XCB_CONFIGURE_NOTIFY) {
    const auto& configured = reinterpret_cast<const xcb_configure_notify_event_t&>(event);
    const X11Area now{0, 0, static_cast<uint16_t>(configured.width + 2 * configured.border_width),
                      static_cast<uint16_t>(configured.height + 2 * configured.border_width)};
    if (configured.window == window_) {
      // Its coordinates are those of its parent, or of the root where the window manager tells it of a move.
      note(heard_.moved);
      if (now != std::exchange(shown_, now) && heard_.is_shown()) note(heard_.renewed);
    }
  } else if (type == XCB_MAP_NOTIFY) {
    const auto& mapped = reinterpret_cast<const xcb_map_notify_event_t&>(event);
    if (mapped.window == window_) {
      heard_.hidden = false;
      note(heard_.renewed);
    } else if (mapped.window == top_) {
      heard_.top_hidden = false;
      note(heard_.renewed);
    }
  } else if (type == XCB_UNMAP_NOTIFY) {
    const auto& unmapped = reinterpret_cast<const xcb_unmap_notify_event_t&>(event);
    if (unmapped.window == window_) {
      note(heard_.hidden);
    } else if (unmapped.window == top_) {
      note(heard_.top_hidden);
    }
  } else if (type == XCB_REPARENT_NOTIFY) {
    if (reinterpret_cast<const xcb_reparent_notify_event_t&>(event).window == window_) {
      heard_.top_hidden = false;  // where it is now, it is hidden or shown with its new parents
      note(heard_.moved);
      note(heard_.renewed);
    }
  } else if (type == XCB_DESTROY_NOTIFY) {
    if (reinterpret_cast<const xcb_destroy_notify_event_t&>(event).window == window_) note(heard_.destroyed);
  } else if (type == XCB_PROPERTY_NOTIFY) {
    // The window manager tells it there.
    const auto& changed = reinterpret_cast<const xcb_property_notify_event_t&>(event);
    if (follows_focus() && changed.window == caller_.connection().root()) note(heard_.focus);
  } else if (type == XCB_FOCUS_OUT) {
    // Of the window itself, where there is no window manager.
    if (follows_focus()) note(heard_.focus);
  }
  if (news) caller_.bell().ring();
}

Error X11Window::closed() const {
  return {ErrorCode::kUnavailable, "the window " + picture_->text() + " was closed", {}};
}

bool X11Window::is_shown() const {
  std::lock_guard lock(mutex_);
  return heard_.is_shown();
}

Status X11Window::attach() {
  auto found = find_x11_window(caller_, name_);
  if (!found) return found.error();
  auto picture = X11WindowPicture::create(caller_, *found);
  if (!picture) return picture.error();
  picture_ = *std::move(picture);
  {
    std::lock_guard lock(mutex_);
    window_ = found->id;
    damage_ = picture_->damage().id();
    heard_ = {};
  }
  // What happened until its events were selected is seen now.
  Status renewed = picture_->renew();
  if (!renewed) return renewed;
  std::lock_guard lock(mutex_);
  shown_ = picture_->outer();
  top_ = picture_->top();
  return Ok{};
}

Status X11Window::follow_focus() {
  const auto atoms = x11_window_atoms(caller_);
  if (!atoms) return atoms.error();
  const auto active = x11_active_window(caller_, *atoms);
  if (!active) return active.error();
  // Where nothing has the focus the one that had it goes on.
  if (!*active || **active == picture_->id()) return Ok{};
  auto before = std::move(picture_);
  if (Status attached = attach(); !attached) {
    // It is gone already, or is not shown: the one before stays.
    picture_ = std::move(before);
    std::lock_guard lock(mutex_);
    window_ = picture_->id();
    top_ = picture_->top();
    damage_ = picture_->damage().id();
    return caller_.has_ended() ? attached : Ok{};
  }
  set_picture(picture_->pixmap(), picture_->damage());
  return Ok{};
}

Result<Geometry> X11Window::geometry() {
  caller_.hub().take_events();
  Heard heard;
  {
    std::lock_guard lock(mutex_);
    heard = heard_;
    heard_.renewed = heard_.focus = false;
  }
  if (heard.focus) {
    if (auto followed = follow_focus(); !followed) return followed.error();
  }
  if (caller_.has_ended()) return caller_.ended();
  if (heard.destroyed) return closed();
  if (heard.renewed) {
    // Hidden or closed meanwhile: its events tell.
    if (auto renewed = picture_->renew(); !renewed && caller_.has_ended()) return caller_.ended();
    set_picture(picture_->pixmap(), picture_->damage());
    std::lock_guard lock(mutex_);
    top_ = picture_->top();
  }
  const X11Area area = picture_->inner();
  geometry_ = {area.width, area.height, picture_->format()};
  return geometry_;
}

Status X11Window::bind(const Geometry& geometry, std::span<const Surface> surfaces) {
  const X11Area area = picture_->inner();
  if (geometry != geometry_) {
    return Error{ErrorCode::kInvalidArgument, "the window has another size or format", {}};
  }
  const X11Picture picture{.drawable = picture_->pixmap(),
                           .depth = picture_->depth(),
                           .x = area.x,
                           .y = area.y,
                           .area = {0, 0, area.width, area.height}};
  if (auto bound = bind_picture(picture_->damage(), picture, geometry, surfaces); !bound) return bound;
  std::lock_guard lock(mutex_);
  heard_.moved = true;  // for the new epoch
  return Ok{};
}

Result<SourceEvents> X11Window::news() {
  std::lock_guard lock(mutex_);
  if (heard_.destroyed && !follows_focus()) return closed();
  return SourceEvents{.changed = std::exchange(heard_.drawn, false),
                      .geometry = heard_.renewed || heard_.focus,
                      .moved = heard_.moved,
                      .stale = !heard_.is_shown()};
}

// A round trip: damage of the window itself comes before the reply.
Status X11Window::sync() {
  const auto reply = caller_.reply<xcb_get_input_focus_reply_t>(xcb_get_input_focus(caller_.xcb()));
  if (!reply) return reply.error();
  return Ok{};
}

Result<std::optional<proto::DesktopPoint>> X11Window::position() {
  {
    std::lock_guard lock(mutex_);
    heard_.moved = false;
  }
  XcbPtr<xcb_generic_error_t> error;
  const auto place = caller_.reply<xcb_translate_coordinates_reply_t>(
      xcb_translate_coordinates(caller_.xcb(), picture_->id(), caller_.connection().root(), 0, 0), error);
  if (caller_.has_ended()) return caller_.ended();
  // One that is closed stays where it was.
  if (!place) return std::optional<proto::DesktopPoint>();
  return std::optional(proto::DesktopPoint{place->dst_x, place->dst_y});
}

// A picture of an older size holds no frame.
Status X11Window::check_copied() {
  std::lock_guard lock(mutex_);
  if (heard_.destroyed && !follows_focus()) return closed();
  if (!heard_.renewed && !heard_.focus) return Ok{};
  return Error{ErrorCode::kInvalidArgument, "the window has changed", {}};
}

}  // namespace

Result<std::unique_ptr<Source>> open_x11_window(const X11WindowOptions& options) {
  auto hub = find_x11_hub(options.display, options.hubs);
  if (!hub) return hub.error();
  if (!(*hub)->connection().has_window_pictures()) {
    return Error{ErrorCode::kUnavailable,
                 "the X server at " + (*hub)->connection().name() + " lacks the extension Composite 0.2",
                 "screen, monitor:... and region:... work without it"};
  }
  auto window = make_x11_view<X11Window>(*std::move(hub), options);
  if (!window) return window.error();
  if (auto attached = (*window)->attach(); !attached) return attached.error();
  return std::unique_ptr<Source>(*std::move(window));
}

}  // namespace framering::daemon
