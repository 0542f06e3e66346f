#include "daemon/capture/x11_damage.h"

#include <algorithm>

namespace framering::daemon {

using proto::Ok;
using proto::Status;

X11Damage::X11Damage(const X11Caller& caller) : caller_(caller), parts_(xcb_generate_id(caller.xcb())) {
  xcb_xfixes_create_region(caller_.xcb(), parts_, 0, nullptr);
}

X11Damage::~X11Damage() {
  xcb_xfixes_destroy_region(caller_.xcb(), parts_);
}

Status X11Damage::fetch(const X11Area& area, Damage& changed) {
  const auto reply =
      caller_.reply<xcb_xfixes_fetch_region_reply_t>(xcb_xfixes_fetch_region(caller_.xcb(), parts_));
  if (!reply) return reply.error();
  changed.clear();
  const xcb_rectangle_t* rects = xcb_xfixes_fetch_region_rectangles(reply->get());
  for (int i = 0; i < xcb_xfixes_fetch_region_rectangles_length(reply->get()); ++i) {
    const int left = std::clamp<int>(rects[i].x - area.x, 0, area.width);
    const int top = std::clamp<int>(rects[i].y - area.y, 0, area.height);
    const int right = std::clamp<int>(rects[i].x - area.x + rects[i].width, 0, area.width);
    const int bottom = std::clamp<int>(rects[i].y - area.y + rects[i].height, 0, area.height);
    changed.add({static_cast<uint16_t>(left), static_cast<uint16_t>(top), static_cast<uint16_t>(right - left),
                 static_cast<uint16_t>(bottom - top)});
  }
  return Ok{};
}

X11WindowDamage::X11WindowDamage(const X11Caller& caller, xcb_window_t window)
    : X11Damage(caller), damage_(xcb_generate_id(caller.xcb())) {
  // NonEmpty: one event until the damage is taken, however much is drawn.
  xcb_damage_create(caller_.xcb(), damage_, window, XCB_DAMAGE_REPORT_LEVEL_NON_EMPTY);
}

X11WindowDamage::~X11WindowDamage() {
  xcb_damage_destroy(caller_.xcb(), damage_);
}

bool X11WindowDamage::take() {
  xcb_damage_subtract(caller_.xcb(), damage_, XCB_NONE, parts_);
  return true;
}

}  // namespace framering::daemon
