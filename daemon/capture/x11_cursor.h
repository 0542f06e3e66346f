// The pointer of an X server: its place and its picture. The picture is fetched once for each change that the
// server tells of; the place is asked for, since a server tells of motion to the windows below the pointer
// and not to us.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "daemon/capture/x11_connection.h"
#include "daemon/cursor.h"
#include "daemon/frame.h"
#include "daemon/surface.h"
#include "proto/result.h"

namespace framering::daemon {

class X11Cursor {
 public:
  explicit X11Cursor(const X11Connection& connection);

  // The server told of another picture.
  void picture_changed() { stale_ = true; }

  // One round trip. For a picture of this geometry, the origin of which lies at this place of the root.
  proto::Result<Cursor> query(const Geometry& geometry, int32_t origin_x, int32_t origin_y);

 private:
  void listen();
  void fetch_picture();

  const X11Connection& connection_;
  std::shared_ptr<const CursorPicture> picture_;
  bool listening_ = false;  // from the first query on, so that nobody is told who does not ask
  bool stale_ = true;
  bool transparent_ = true;  // a transparent picture is how a program hides the pointer
};

// The pointer as it is painted into the frames of one binding.
class X11EmbeddedCursor {
 public:
  void forget() { painted_.reset(); }

  // Where it is now. If the last frame shows it otherwise, must_repaint() says so, once.
  void look(const Cursor& now) { must_repaint_ |= !painted_ || !looks_the_same(*painted_, now); }
  bool must_repaint() { return std::exchange(must_repaint_, false); }

  // Paints it over the fresh pixels of a surface, and adds to `changed` what that changes against the frame
  // before. Returns what is no longer the server's.
  DamageRect paint(const Cursor& now, const Geometry& geometry, const Surface& surface, Damage& changed);

 private:
  std::optional<Cursor> painted_;  // in the last frame
  bool must_repaint_ = false;
};

}  // namespace framering::daemon
