// The pointer of an X server: its place and its picture, told in the coordinates of one source's frames or
// painted into them. The picture is fetched once for each change that the server tells of; the place is asked
// for, since a server tells of motion to the windows below the pointer and not to us.
#pragma once

#include <xcb/xcb.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "daemon/capture/x11_caller.h"
#include "daemon/capture/x11_copier.h"
#include "daemon/cursor.h"
#include "daemon/frame.h"
#include "daemon/surface.h"
#include "proto/result.h"

namespace framering::daemon {

class X11Cursor {
 public:
  explicit X11Cursor(const X11Caller& caller);

  // Any thread. The server told of another picture.
  void picture_changed() { stale_ = true; }

  // One round trip. For frames of this geometry, the first pixel of which is the window's at geometry.x,
  // geometry.y.
  proto::Result<Cursor> query(xcb_window_t window, const Geometry& geometry);

 private:
  void listen();
  void fetch_picture();

  const X11Caller& caller_;
  std::shared_ptr<const CursorPicture> picture_;
  bool listening_ = false;  // from the first query on, so that nobody is told who does not ask
  std::atomic<bool> stale_{true};
  bool transparent_ = true;  // a transparent picture is how a program hides the pointer
};

// The pointer of one source, in whose window it is looked for. Everything but heard() is the pump's.
class X11SourceCursor {
 public:
  X11SourceCursor(const X11Caller& caller, bool embedded)
      : caller_(caller), embedded_(embedded), cursor_(caller) {}

  bool is_embedded() const { return embedded_; }

  // Any thread. An event of this type came.
  void heard(uint8_t type) {
    if (type == caller_.connection().cursor_event()) cursor_.picture_changed();
  }

  void bind(const Geometry& geometry, std::span<const Surface> surfaces);

  // What Source::cursor() answers. Over a window that is not shown there is no pointer.
  proto::Result<std::optional<Cursor>> look(xcb_window_t window, bool shown);
  // Where it is embedded: look() found that the last frame shows it otherwise. Says so once.
  bool must_repaint() { return std::exchange(must_repaint_, false); }

  // Where it is embedded: paints it over the fresh pixels of a surface, tells the copier what is no longer
  // the server's, and adds to `changed` what differs from the frame before.
  proto::Status paint(xcb_window_t window, bool shown, size_t surface, X11Copier& copier, Damage& changed);

 private:
  proto::Result<Cursor> query(xcb_window_t window, bool shown);

  const X11Caller& caller_;
  const bool embedded_;
  X11Cursor cursor_;
  Geometry geometry_;  // as bound
  std::vector<Surface> surfaces_;
  std::optional<Cursor> painted_;  // in the last frame
  bool must_repaint_ = false;
};

}  // namespace framering::daemon
