#include "daemon/capture/x11_window_picture.h"

#include <xcb/composite.h>

#include <utility>

#include "daemon/capture/x11_format.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;

Result<std::unique_ptr<X11WindowPicture>> X11WindowPicture::create(const X11Caller& caller,
                                                                   const proto::WindowInfo& window) {
  xcb_connection_t* xcb = caller.xcb();
  const X11Connection& connection = caller.connection();
  if (window.id == connection.root()) {
    return Error{ErrorCode::kInvalidArgument, x11_window_text(window.id) + " is the root window",
                 "open the source screen"};
  }
  std::string text = x11_window_text(window.id);
  if (!window.title.empty()) text += " \"" + window.title + "\"";
  X11WindowEvents events(caller.hub(), window.id,
                         XCB_EVENT_MASK_STRUCTURE_NOTIFY | XCB_EVENT_MASK_FOCUS_CHANGE);
  const auto redirected =
      xcb_composite_redirect_window_checked(xcb, window.id, XCB_COMPOSITE_REDIRECT_AUTOMATIC);
  const auto attributes_cookie = xcb_get_window_attributes(xcb, window.id);
  const auto geometry_cookie = xcb_get_geometry(xcb, window.id);
  const auto geometry = caller.reply<xcb_get_geometry_reply_t>(geometry_cookie);
  const auto attributes = caller.reply<xcb_get_window_attributes_reply_t>(attributes_cookie);
  if (caller.has_ended()) return caller.ended();
  const Status redirects = caller.checked(redirected);
  if (!attributes || !geometry) {
    return Error{ErrorCode::kNotFound, "the window " + text + " was closed", {}};
  }
  if (!redirects) {
    return Error{ErrorCode::kUnavailable,
                 "the window " + text + " cannot be redirected: " + redirects.error().text(),
                 {}};
  }
  const auto format =
      x11_pixel_format(connection.setup(), connection.screen(), (*attributes)->visual, (*geometry)->depth);
  if (!format) {
    xcb_composite_unredirect_window(xcb, window.id, XCB_COMPOSITE_REDIRECT_AUTOMATIC);
    return format.error();
  }
  return std::unique_ptr<X11WindowPicture>(new X11WindowPicture(
      caller, window.id, std::move(events), std::move(text), *format, (*geometry)->depth));
}

X11WindowPicture::X11WindowPicture(const X11Caller& caller, xcb_window_t window, X11WindowEvents events,
                                   std::string text, proto::PixelFormat format, uint8_t depth)
    : caller_(caller),
      window_(window),
      events_(std::move(events)),
      text_(std::move(text)),
      format_(format),
      depth_(depth),
      damage_(caller, window) {
  caller_.hub().count_redirected(1);
}

X11WindowPicture::~X11WindowPicture() {
  if (pixmap_ != XCB_NONE) xcb_free_pixmap(caller_.xcb(), pixmap_);
  xcb_composite_unredirect_window(caller_.xcb(), window_, XCB_COMPOSITE_REDIRECT_AUTOMATIC);
  xcb_flush(caller_.xcb());
  caller_.hub().count_redirected(-1);
}

void X11WindowPicture::find_top() {
  top_ = window_;
  for (;;) {
    const auto tree = caller_.reply<xcb_query_tree_reply_t>(xcb_query_tree(caller_.xcb(), top_));
    if (!tree || (*tree)->parent == XCB_NONE || (*tree)->parent == (*tree)->root) return;
    top_ = (*tree)->parent;
  }
}

Status X11WindowPicture::renew() {
  find_top();
  xcb_connection_t* xcb = caller_.xcb();
  const xcb_pixmap_t pixmap = xcb_generate_id(xcb);
  const auto named = xcb_composite_name_window_pixmap_checked(xcb, window_, pixmap);
  const auto window_cookie = xcb_get_geometry(xcb, window_);
  const auto pixmap_cookie = xcb_get_geometry(xcb, pixmap);
  const auto picture = caller_.reply<xcb_get_geometry_reply_t>(pixmap_cookie);
  const auto window = caller_.reply<xcb_get_geometry_reply_t>(window_cookie);
  if (caller_.has_ended()) return caller_.ended();
  if (!caller_.checked(named) || !window || !picture) {
    return Error{ErrorCode::kUnavailable, "the window " + text_ + " is not shown: it has no picture now",
                 "open it once it is on the screen"};
  }
  if (pixmap_ != XCB_NONE) xcb_free_pixmap(xcb, pixmap_);
  pixmap_ = pixmap;
  // The pixmap's own size is the truth: the window may have another one by now.
  const uint16_t border = (*window)->border_width;
  outer_ = {0, 0, (*picture)->width, (*picture)->height};
  inner_ = {static_cast<int16_t>(border), static_cast<int16_t>(border),
            static_cast<uint16_t>((*picture)->width - 2 * border),
            static_cast<uint16_t>((*picture)->height - 2 * border)};
  return Ok{};
}

}  // namespace framering::daemon
