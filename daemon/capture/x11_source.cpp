#include "daemon/capture/x11_source.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "daemon/capture/x11_caller.h"
#include "daemon/capture/x11_copier.h"
#include "daemon/capture/x11_cursor.h"
#include "daemon/capture/x11_format.h"
#include "daemon/capture/x11_monitors.h"
#include "daemon/capture/x11_root_damage.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

class X11Source final : public Source, private X11Listener {
 public:
  X11Source(std::shared_ptr<X11Hub> hub, X11Bell bell, PixelFormat format, const X11Options& options)
      : caller_(std::move(hub), std::move(bell)),
        format_(format),
        options_(options),
        damage_(caller_),
        cursor_(caller_, options.embed_cursor) {
    caller_.hub().add(*this);
  }
  ~X11Source() override { caller_.hub().remove(*this); }

  Result<Geometry> geometry() override;
  Status bind(const Geometry& geometry, std::span<const Surface> surfaces) override;
  int event_fd() const override { return caller_.bell().fd(); }
  Result<SourceEvents> poll() override;
  Status sync() override;
  Result<std::optional<Cursor>> cursor() override { return cursor_.look(root(), /*shown=*/true); }
  bool has_cursor() const override { return !cursor_.is_embedded(); }
  bool paints_cursor() const override { return cursor_.is_embedded(); }
  Result<CaptureInfo> capture(size_t surface, Request request) override;
  uint64_t round_trips() const override { return caller_.round_trips(); }
  // Drawing that bypasses the server's damage, such as a GPU's own, is seen by whole frames only.
  bool wants_safety_frames() const override { return true; }
  void interrupt() override { caller_.interrupt(); }

 private:
  void heard(uint8_t type, const xcb_generic_event_t& event) override;
  void woken() override;

  xcb_window_t root() const { return caller_.connection().root(); }
  Result<X11Area> area_now() const;
  Result<X11Area> part_of(const X11Area& screen) const;
  bool screen_changed() const { return caller_.hub().screen().changes != known_changes_; }

  const X11Caller caller_;
  const PixelFormat format_;
  const X11Options options_;
  X11RootDamage::Share damage_;
  X11SourceCursor cursor_;
  std::unique_ptr<X11Copier> copier_;
  std::atomic<bool> drawn_{false};  // since the last poll()
  uint64_t known_changes_ = 0;      // of the screen, when geometry() looked
  bool surfaces_stale_ = false;     // what they hold is no base for a partial copy
};

void X11Source::heard(uint8_t type, const xcb_generic_event_t& event) {
  cursor_.heard(type);
  if (type != caller_.connection().damage_event() ||
      reinterpret_cast<const xcb_damage_notify_event_t&>(event).damage != damage_.id()) {
    return;
  }
  drawn_ = true;
  caller_.bell().ring();
}

void X11Source::woken() {
  if (caller_.connection().lost()) return caller_.bell().close();
  caller_.bell().ring();
}

Result<Geometry> X11Source::geometry() {
  caller_.hub().take_events();
  if (caller_.has_ended()) return caller_.ended();
  Result<X11Area> area = Error{};
  do {
    caller_.hub().wait_until_settled(caller_.interrupted());
    const uint64_t changes = caller_.hub().screen().changes;
    if (changes != std::exchange(known_changes_, changes)) surfaces_stale_ = true;
    area = area_now();
    if (!area) return area.error();
  } while (screen_changed());  // while it was asked
  return Geometry{area->width, area->height, format_, area->x, area->y};
}

Result<X11Area> X11Source::area_now() const {
  const auto reply = caller_.reply<xcb_get_geometry_reply_t>(xcb_get_geometry(caller_.xcb(), root()));
  if (!reply) return reply.error();
  return part_of({0, 0, (*reply)->width, (*reply)->height});
}

Result<X11Area> X11Source::part_of(const X11Area& screen) const {
  if (std::holds_alternative<ScreenName>(options_.part)) return screen;
  int left = 0, top = 0, right = 0, bottom = 0;
  const auto set = [&](int x, int y, uint32_t width, uint32_t height) {
    left = std::max(x, 0);
    top = std::max(y, 0);
    right = std::min<int>(x + static_cast<int>(width), screen.width);
    bottom = std::min<int>(y + static_cast<int>(height), screen.height);
  };
  if (const auto* region = std::get_if<RegionName>(&options_.part)) {
    set(region->x, region->y, region->width, region->height);
  } else {
    const auto monitor = find_x11_monitor(caller_, std::get<MonitorName>(options_.part));
    if (!monitor) return monitor.error();
    set(monitor->area.x, monitor->area.y, monitor->area.width, monitor->area.height);
  }
  if (left >= right || top >= bottom) {
    // As the desktop may grow, this is no wrong name.
    return Error{
        ErrorCode::kUnavailable, "nothing of it is on the desktop",
        "the desktop is " + std::to_string(screen.width) + "x" + std::to_string(screen.height) + " pixels"};
  }
  return X11Area{static_cast<int16_t>(left), static_cast<int16_t>(top), static_cast<uint16_t>(right - left),
                 static_cast<uint16_t>(bottom - top)};
}

Status X11Source::bind(const Geometry& geometry, std::span<const Surface> surfaces) {
  if (geometry.format != format_) {
    return Error{ErrorCode::kInvalidArgument, "the X server has another pixel format", {}};
  }
  auto copier = make_x11_copier(
      options_.copy_method, caller_, damage_,
      {.drawable = root(),
       .depth = caller_.connection().screen().root_depth,
       .x = static_cast<int16_t>(geometry.x),
       .y = static_cast<int16_t>(geometry.y),
       .area = {static_cast<int16_t>(geometry.x), static_cast<int16_t>(geometry.y),
                static_cast<uint16_t>(geometry.width), static_cast<uint16_t>(geometry.height)}},
      geometry.stride(), surfaces);
  if (!copier) return copier.error();
  copier_ = *std::move(copier);
  cursor_.bind(geometry, surfaces);
  surfaces_stale_ = true;
  return Ok{};
}

Result<SourceEvents> X11Source::poll() {
  caller_.hub().take_events();
  caller_.bell().clear();
  if (caller_.has_ended()) return caller_.ended();
  const bool drawn = drawn_.exchange(false);
  return SourceEvents{.changed = cursor_.must_repaint() || drawn,
                      .geometry = screen_changed(),
                      .blanked = caller_.hub().is_blanked()};
}

// One pixel is asked for, and not less: looking at the root makes the server bring what was drawn to
// redirected windows onto it, which damages it, before the reply.
Status X11Source::sync() {
  const auto reply = caller_.reply<xcb_get_image_reply_t>(
      xcb_get_image(caller_.xcb(), XCB_IMAGE_FORMAT_Z_PIXMAP, root(), 0, 0, 1, 1, ~0u));
  if (!reply) return reply.error();
  return Ok{};
}

Result<CaptureInfo> X11Source::capture(size_t surface, Request request) {
  CaptureInfo info;
  info.requested_ns = now_ns();
  const bool everything = request == Request::kFull || surfaces_stale_;
  Status copied = copier_->copy(surface, everything, info.damage);
  if (copied) copied = cursor_.paint(root(), /*shown=*/true, surface, *copier_, info.damage);
  info.done_ns = now_ns();
  if (caller_.has_ended()) return caller_.ended();
  // Copying beyond the edge of a root that has become smaller is no error and copies nothing. The events up
  // to the copy are told by now.
  if (screen_changed()) {
    surfaces_stale_ = true;
    caller_.bell().ring();
    return Error{ErrorCode::kInvalidArgument, "the X server's screen has changed", {}};
  }
  if (!copied) return copied.error();
  surfaces_stale_ = false;
  return info;
}

}  // namespace

Result<std::unique_ptr<Source>> open_x11_source(const X11Options& options) {
  auto hub = options.hubs ? options.hubs->get(options.display) : X11Hub::open(options.display);
  if (!hub) return hub.error();
  const xcb_screen_t& screen = (*hub)->connection().screen();
  const auto format =
      x11_pixel_format((*hub)->connection().setup(), screen, screen.root_visual, screen.root_depth);
  if (!format) return format.error();
  auto bell = X11Bell::create();
  if (!bell) return bell.error();
  return std::unique_ptr<Source>(
      std::make_unique<X11Source>(*std::move(hub), *std::move(bell), *format, options));
}

}  // namespace framering::daemon
