// What changed on the root window. The server collects it from the moment that this object exists; taking it
// must come before copying the pixels, or changes between the two are lost.
#pragma once

#include <xcb/damage.h>
#include <xcb/xfixes.h>

#include "daemon/capture/x11_connection.h"
#include "daemon/frame.h"
#include "proto/result.h"

namespace framering::daemon {

class X11Damage {
 public:
  explicit X11Damage(const X11Connection& connection);
  ~X11Damage();
  X11Damage(const X11Damage&) = delete;
  X11Damage& operator=(const X11Damage&) = delete;

  // Only sends: the server moves what it collected into parts() and starts over.
  void take();
  xcb_xfixes_region_t parts() const { return parts_; }
  // Waits for all that was sent before, and reads parts() as it then is, within the geometry.
  proto::Status fetch(const Geometry& geometry, Damage& changed);

 private:
  const X11Connection& connection_;
  const xcb_damage_damage_t damage_;
  const xcb_xfixes_region_t parts_;
};

}  // namespace framering::daemon
