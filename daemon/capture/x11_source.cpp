#include "daemon/capture/x11_source.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "daemon/capture/x11_format.h"
#include "daemon/capture/x11_monitors.h"
#include "daemon/capture/x11_root_damage.h"
#include "daemon/capture/x11_view.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

bool uncovers_windows(uint8_t type) {
  return type == XCB_CONFIGURE_NOTIFY || type == XCB_MAP_NOTIFY || type == XCB_UNMAP_NOTIFY ||
         type == XCB_CIRCULATE_NOTIFY || type == XCB_REPARENT_NOTIFY;
}

class X11Source final : public X11View {
 public:
  X11Source(std::shared_ptr<X11Hub> hub, X11Bell bell, PixelFormat format, const X11Options& options)
      : X11View(std::move(hub), std::move(bell), options.copy_method, options.embed_cursor),
        format_(format),
        part_(options.part),
        damage_(caller_) {
    listen();
  }
  ~X11Source() override { stop_listening(); }

  Result<Geometry> geometry() override;
  Status bind(const Geometry& geometry, std::span<const Surface> surfaces) override;
  Status sync() override;

 private:
  xcb_window_t window() const override { return caller_.connection().root(); }
  Result<SourceEvents> news() override;
  Status check_copied() override;
  void heard(uint8_t type, const xcb_generic_event_t& event) override;

  Result<X11Area> area_now() const;
  Result<X11Area> part_of(const X11Area& screen) const;
  bool screen_changed() const { return caller_.hub().screen().changes != known_changes_; }

  const PixelFormat format_;
  const std::variant<ScreenName, MonitorName, RegionName> part_;
  X11RootDamage::Share damage_;
  std::atomic<bool> drawn_{false};  // since the last poll()
  uint64_t known_changes_ = 0;      // of the screen, when geometry() looked
};

void X11Source::heard(uint8_t type, const xcb_generic_event_t& event) {
  X11View::heard(type, event);
  if (type == caller_.connection().damage_event()) {
    const auto& damaged = reinterpret_cast<const xcb_damage_notify_event_t&>(event);
    if (damaged.damage != damage_.id() || !damage_.note(damaged.area)) return;
  } else if (uncovers_windows(type) && caller_.hub().redirects_windows()) {
    // What such a change uncovers of redirected windows gets onto the root without damaging it (X.Org 21.1).
    damage_.distrust();
  } else {
    return;
  }
  drawn_ = true;
  caller_.bell().ring();
}

Result<Geometry> X11Source::geometry() {
  caller_.hub().take_events();
  if (caller_.has_ended()) return caller_.ended();
  Result<X11Area> area = Error{};
  do {
    caller_.hub().wait_until_settled(caller_.interrupted());
    const uint64_t changes = caller_.hub().screen().changes;
    if (changes != std::exchange(known_changes_, changes)) distrust_surfaces();
    area = area_now();
    if (!area) return area.error();
  } while (screen_changed());  // while it was asked
  return Geometry{area->width, area->height, format_, area->x, area->y};
}

Result<X11Area> X11Source::area_now() const {
  const auto reply = caller_.reply<xcb_get_geometry_reply_t>(xcb_get_geometry(caller_.xcb(), window()));
  if (!reply) return reply.error();
  return part_of({0, 0, (*reply)->width, (*reply)->height});
}

Result<X11Area> X11Source::part_of(const X11Area& screen) const {
  if (std::holds_alternative<ScreenName>(part_)) return screen;
  int left = 0, top = 0, right = 0, bottom = 0;
  const auto set = [&](int x, int y, uint32_t width, uint32_t height) {
    left = std::max(x, 0);
    top = std::max(y, 0);
    right = std::min<int>(x + static_cast<int>(width), screen.width);
    bottom = std::min<int>(y + static_cast<int>(height), screen.height);
  };
  if (const auto* region = std::get_if<RegionName>(&part_)) {
    set(region->x, region->y, region->width, region->height);
  } else {
    const auto monitor = find_x11_monitor(caller_, std::get<MonitorName>(part_));
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
  const X11Area area{static_cast<int16_t>(geometry.x), static_cast<int16_t>(geometry.y),
                     static_cast<uint16_t>(geometry.width), static_cast<uint16_t>(geometry.height)};
  damage_.set_area(area);
  return bind_picture(damage_,
                      {.drawable = window(),
                       .depth = caller_.connection().screen().root_depth,
                       .x = area.x,
                       .y = area.y,
                       .area = area},
                      geometry, surfaces);
}

Result<SourceEvents> X11Source::news() {
  return SourceEvents{.changed = drawn_.exchange(false), .geometry = screen_changed()};
}

// One pixel is asked for, and not less: looking at the root makes the server bring what was drawn to
// redirected windows onto it, which damages it, before the reply.
Status X11Source::sync() {
  const auto reply = caller_.reply<xcb_get_image_reply_t>(
      xcb_get_image(caller_.xcb(), XCB_IMAGE_FORMAT_Z_PIXMAP, window(), 0, 0, 1, 1, ~0u));
  if (!reply) return reply.error();
  return Ok{};
}

// Copying beyond the edge of a root that has become smaller is no error and copies nothing.
Status X11Source::check_copied() {
  if (!screen_changed()) return Ok{};
  return Error{ErrorCode::kInvalidArgument, "the X server's screen has changed", {}};
}

}  // namespace

Result<std::unique_ptr<Source>> open_x11_source(const X11Options& options) {
  auto hub = find_x11_hub(options.display, options.hubs);
  if (!hub) return hub.error();
  const xcb_screen_t& screen = (*hub)->connection().screen();
  const auto format =
      x11_pixel_format((*hub)->connection().setup(), screen, screen.root_visual, screen.root_depth);
  if (!format) return format.error();
  auto source = make_x11_view<X11Source>(*std::move(hub), *format, options);
  if (!source) return source.error();
  return std::unique_ptr<Source>(*std::move(source));
}

}  // namespace framering::daemon
