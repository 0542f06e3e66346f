#include "daemon/capture/x11_cursor.h"

#include <xcb/xfixes.h>

#include <algorithm>
#include <vector>

namespace framering::daemon {

using proto::Ok;
using proto::Result;
using proto::Status;

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

X11Cursor::X11Cursor(const X11Caller& caller) : caller_(caller), picture_(no_picture()) {}

void X11Cursor::listen() {
  if (std::exchange(listening_, true)) return;
  xcb_xfixes_select_cursor_input(caller_.xcb(), caller_.connection().root(),
                                 XCB_XFIXES_CURSOR_NOTIFY_MASK_DISPLAY_CURSOR);
}

// A server with the extension SECURITY refuses the picture of a pointer whose maker has gone, xsetroot for
// instance, while no other client has the maker's place. New clients get the lowest places that are free.
void X11Cursor::fetch_picture() {
  std::vector<std::unique_ptr<xcb_connection_t, Disconnect>> placeholders;
  XcbPtr<xcb_xfixes_get_cursor_image_reply_t> reply;
  for (bool refused = true; !reply && refused && placeholders.size() <= kMaxPlaceholders;) {
    XcbPtr<xcb_generic_error_t> error;
    const auto cookie = xcb_xfixes_get_cursor_image(caller_.xcb());
    reply = caller_.reply<xcb_xfixes_get_cursor_image_reply_t>(cookie, error);
    refused = error && error->error_code == kBadAccess;
    if (refused) placeholders.emplace_back(xcb_connect(caller_.connection().name().c_str(), nullptr));
  }
  picture_ = reply ? to_picture(*reply) : no_picture();
  transparent_ = is_transparent(*picture_);
}

Result<Cursor> X11Cursor::query(xcb_window_t window, const Geometry& geometry) {
  listen();
  // One of the events may tell of another picture.
  caller_.hub().take_events();
  const auto pointer_cookie = xcb_query_pointer(caller_.xcb(), window);
  // Cleared before the request: a change that comes after it is fetched the next time.
  if (stale_.exchange(false)) fetch_picture();
  const auto pointer = caller_.reply<xcb_query_pointer_reply_t>(pointer_cookie);
  if (!pointer && caller_.has_ended()) return pointer.error();
  // A window that was closed meanwhile has no pointer; its events tell.
  if (!pointer) return Cursor{0, 0, /*visible=*/false, picture_};
  Cursor cursor{(*pointer)->win_x - geometry.x, (*pointer)->win_y - geometry.y, /*visible=*/true, picture_};
  cursor.visible = (*pointer)->same_screen != 0 && !transparent_ && cursor_rect(cursor, geometry).width > 0;
  return cursor;
}

void X11SourceCursor::bind(const Geometry& geometry, std::span<const Surface> surfaces) {
  geometry_ = geometry;
  surfaces_.assign(surfaces.begin(), surfaces.end());
  painted_.reset();
}

Result<Cursor> X11SourceCursor::query(xcb_window_t window, bool shown) {
  auto cursor = cursor_.query(window, geometry_);
  if (cursor && !shown) cursor->visible = false;
  return cursor;
}

Result<std::optional<Cursor>> X11SourceCursor::look(xcb_window_t window, bool shown) {
  auto now = query(window, shown);
  if (!now) return now.error();
  if (!embedded_) return std::optional<Cursor>(*std::move(now));
  must_repaint_ |= !painted_ || !looks_the_same(*painted_, *now);
  return std::optional<Cursor>();
}

Status X11SourceCursor::paint(xcb_window_t window, bool shown, size_t surface, X11Copier& copier,
                              Damage& changed) {
  if (!embedded_) return Ok{};
  const auto now = query(window, shown);
  if (!now) return now.error();
  const DamageRect rect = cursor_rect(*now, geometry_);
  paint_cursor(*now, geometry_, {surfaces_[surface].data, geometry_.frame_bytes()});
  copier.painted_over(surface, rect);
  // The first frame of a binding is changed all over.
  if (painted_ && !looks_the_same(*painted_, *now)) {
    const DamageRect before = cursor_rect(*painted_, geometry_);
    if (before != rect) changed.add(before);
    changed.add(rect);
  }
  painted_ = *now;
  must_repaint_ = false;
  return Ok{};
}

}  // namespace framering::daemon
