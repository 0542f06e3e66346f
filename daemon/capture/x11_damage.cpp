#include "daemon/capture/x11_damage.h"

#include <algorithm>

namespace framering::daemon {

using proto::Ok;
using proto::Status;

X11Damage::X11Damage(const X11Connection& connection)
    : connection_(connection),
      damage_(xcb_generate_id(connection.xcb())),
      parts_(xcb_generate_id(connection.xcb())) {
  // NonEmpty: one event until the damage is taken, however much is drawn.
  xcb_damage_create(connection_.xcb(), damage_, connection_.root(), XCB_DAMAGE_REPORT_LEVEL_NON_EMPTY);
  xcb_xfixes_create_region(connection_.xcb(), parts_, 0, nullptr);
}

X11Damage::~X11Damage() {
  xcb_xfixes_destroy_region(connection_.xcb(), parts_);
  xcb_damage_destroy(connection_.xcb(), damage_);
}

void X11Damage::take() {
  xcb_damage_subtract(connection_.xcb(), damage_, XCB_NONE, parts_);
}

Status X11Damage::fetch(const Geometry& geometry, Damage& changed) {
  connection_.count_round_trip();
  xcb_generic_error_t* error = nullptr;
  const XcbPtr<xcb_xfixes_fetch_region_reply_t> reply(xcb_xfixes_fetch_region_reply(
      connection_.xcb(), xcb_xfixes_fetch_region(connection_.xcb(), parts_), &error));
  if (!reply) {
    const XcbPtr<xcb_generic_error_t> owner(error);
    return error ? connection_.failed(*error) : connection_.gone();
  }
  changed.clear();
  const int width = static_cast<int>(geometry.width);
  const int height = static_cast<int>(geometry.height);
  const xcb_rectangle_t* rects = xcb_xfixes_fetch_region_rectangles(reply.get());
  for (int i = 0; i < xcb_xfixes_fetch_region_rectangles_length(reply.get()); ++i) {
    const int left = std::clamp<int>(rects[i].x, 0, width);
    const int top = std::clamp<int>(rects[i].y, 0, height);
    const int right = std::clamp(rects[i].x + rects[i].width, 0, width);
    const int bottom = std::clamp(rects[i].y + rects[i].height, 0, height);
    changed.add({static_cast<uint16_t>(left), static_cast<uint16_t>(top), static_cast<uint16_t>(right - left),
                 static_cast<uint16_t>(bottom - top)});
  }
  return Ok{};
}

}  // namespace framering::daemon
