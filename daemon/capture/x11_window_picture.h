// The picture that the X server keeps of one window while it is redirected (Composite, Automatic: what is on
// the screen stays as it is).
#pragma once

#include <xcb/xcb.h>

#include <memory>
#include <string>

#include "daemon/capture/x11_caller.h"
#include "daemon/capture/x11_damage.h"
#include "daemon/capture/x11_window_events.h"
#include "daemon/capture/x11_window_list.h"
#include "proto/pixel_format.h"
#include "proto/result.h"

namespace framering::daemon {

class X11WindowPicture {
 public:
  // Selects the window's events, then redirects it. kInvalidArgument for a window that has no picture of its
  // own.
  static proto::Result<std::unique_ptr<X11WindowPicture>> create(const X11Caller& caller,
                                                                 const proto::WindowInfo& window);
  ~X11WindowPicture();
  X11WindowPicture(const X11WindowPicture&) = delete;
  X11WindowPicture& operator=(const X11WindowPicture&) = delete;

  // Takes hold of the newest picture: a window has another one after each map and each change of its size.
  // kUnavailable while it is not shown; the picture before then stays.
  proto::Status renew();

  xcb_window_t id() const { return window_; }
  // The child of the root that it is, or is in: a window manager may hide that alone.
  xcb_window_t top() const { return top_; }
  const std::string& text() const { return text_; }  // for errors: id and title
  xcb_pixmap_t pixmap() const { return pixmap_; }
  X11Area outer() const { return outer_; }  // all of the pixmap
  X11Area inner() const { return inner_; }  // without the border
  uint8_t depth() const { return depth_; }
  proto::PixelFormat format() const { return format_; }
  X11WindowDamage& damage() { return damage_; }

 private:
  X11WindowPicture(const X11Caller& caller, xcb_window_t window, X11WindowEvents events, std::string text,
                   proto::PixelFormat format, uint8_t depth);

  void find_top();

  const X11Caller& caller_;
  const xcb_window_t window_;
  const X11WindowEvents events_;
  xcb_window_t top_ = XCB_NONE;
  const std::string text_;
  const proto::PixelFormat format_;
  const uint8_t depth_;
  X11WindowDamage damage_;
  xcb_pixmap_t pixmap_ = XCB_NONE;
  X11Area outer_;
  X11Area inner_;
};

}  // namespace framering::daemon
