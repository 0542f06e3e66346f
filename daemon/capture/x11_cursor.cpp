#include "daemon/capture/x11_cursor.h"

#include <xcb/xfixes.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace framering::daemon {

using proto::Result;

namespace {

constexpr uint8_t kBadAccess = 10;
constexpr size_t kMaxPlaceholders = 16;
constexpr uint32_t kSerialBits = 0x7fffffff;  // of a serial; all of them: no picture

struct Disconnect {
  void operator()(xcb_connection_t* xcb) const { xcb_disconnect(xcb); }
};

std::shared_ptr<const CursorPicture> no_picture() {
  return std::make_shared<const CursorPicture>(CursorPicture{.serial = kSerialBits});
}

std::shared_ptr<const CursorPicture> to_picture(const xcb_xfixes_get_cursor_image_reply_t& reply) {
  const uint32_t* const first = xcb_xfixes_get_cursor_image_cursor_image(&reply);
  return std::make_shared<const CursorPicture>(CursorPicture{
      .serial = std::max(reply.cursor_serial & kSerialBits, 1u),
      .width = reply.width,
      .height = reply.height,
      .hot_x = reply.xhot,
      .hot_y = reply.yhot,
      .argb = {first, first + xcb_xfixes_get_cursor_image_cursor_image_length(&reply)},
  });
}

bool is_transparent(const CursorPicture& picture) {
  return std::all_of(picture.argb.begin(), picture.argb.end(), [](uint32_t argb) { return argb == 0; });
}

}  // namespace

X11Cursor::X11Cursor(const X11Connection& connection) : connection_(connection), picture_(no_picture()) {}

void X11Cursor::listen() {
  if (std::exchange(listening_, true)) return;
  xcb_xfixes_select_cursor_input(connection_.xcb(), connection_.root(),
                                 XCB_XFIXES_CURSOR_NOTIFY_MASK_DISPLAY_CURSOR);
}

// A server with the extension SECURITY refuses the picture of a pointer whose maker has gone, xsetroot for
// instance, while no other client has the maker's place. New clients get the lowest places that are free.
void X11Cursor::fetch_picture() {
  std::vector<std::unique_ptr<xcb_connection_t, Disconnect>> placeholders;
  XcbPtr<xcb_xfixes_get_cursor_image_reply_t> reply;
  for (bool refused = true; !reply && refused && placeholders.size() <= kMaxPlaceholders;) {
    xcb_generic_error_t* error = nullptr;
    const auto cookie = xcb_xfixes_get_cursor_image(connection_.xcb());
    reply.reset(xcb_xfixes_get_cursor_image_reply(connection_.xcb(), cookie, &error));
    const XcbPtr<xcb_generic_error_t> owner(error);
    refused = error && error->error_code == kBadAccess;
    if (refused) placeholders.emplace_back(xcb_connect(connection_.name().c_str(), nullptr));
  }
  picture_ = reply ? to_picture(*reply) : no_picture();
  transparent_ = is_transparent(*picture_);
}

Result<Cursor> X11Cursor::query(const Geometry& geometry, int32_t origin_x, int32_t origin_y) {
  listen();
  xcb_connection_t* const xcb = connection_.xcb();
  const auto pointer_cookie = xcb_query_pointer(xcb, connection_.root());
  // Cleared before the request: a change that comes after it is fetched the next time.
  if (std::exchange(stale_, false)) fetch_picture();
  const XcbPtr<xcb_query_pointer_reply_t> pointer(xcb_query_pointer_reply(xcb, pointer_cookie, nullptr));
  if (!pointer) return connection_.gone();
  Cursor cursor{pointer->root_x - origin_x, pointer->root_y - origin_y, /*visible=*/true, picture_};
  cursor.visible = pointer->same_screen != 0 && !transparent_ && cursor_rect(cursor, geometry).width > 0;
  return cursor;
}

DamageRect X11EmbeddedCursor::paint(const Cursor& now, const Geometry& geometry, const Surface& surface,
                                    Damage& changed) {
  const DamageRect rect = cursor_rect(now, geometry);
  paint_cursor(now, geometry, {surface.data, geometry.frame_bytes()});
  // The first frame of a binding is changed all over.
  if (painted_ && !looks_the_same(*painted_, now)) {
    changed.add(cursor_rect(*painted_, geometry));
    changed.add(rect);
  }
  painted_ = now;
  must_repaint_ = false;
  return rect;
}

}  // namespace framering::daemon
