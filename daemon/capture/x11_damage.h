// What changed on a window, or on the root window with all that is on it. The server collects it from the
// moment that this object exists; taking it must come before copying the pixels, or changes between the two
// are lost.
#pragma once

#include <xcb/damage.h>
#include <xcb/xfixes.h>

#include "daemon/capture/x11_caller.h"
#include "daemon/frame.h"
#include "proto/result.h"

namespace framering::daemon {

// A rectangle of a drawable that is a frame.
struct X11Area {
  int16_t x = 0;  // pixels
  int16_t y = 0;
  uint16_t width = 0;
  uint16_t height = 0;
  friend bool operator==(const X11Area&, const X11Area&) = default;
};

class X11Damage {
 public:
  virtual ~X11Damage();
  X11Damage(const X11Damage&) = delete;
  X11Damage& operator=(const X11Damage&) = delete;

  // Only sends: parts() becomes what changed since it was taken before. False where more may have changed.
  virtual bool take() = 0;
  // In the coordinates of the window.
  xcb_xfixes_region_t parts() const { return parts_; }
  // Waits for all that was sent before, and reads parts(): within the area, in its coordinates.
  proto::Status fetch(const X11Area& area, Damage& changed);

 protected:
  explicit X11Damage(const X11Caller& caller);

  const X11Caller& caller_;
  const xcb_xfixes_region_t parts_;
};

// Of one window, for one source.
class X11WindowDamage final : public X11Damage {
 public:
  X11WindowDamage(const X11Caller& caller, xcb_window_t window);
  ~X11WindowDamage() override;

  bool take() override;
  xcb_damage_damage_t id() const { return damage_; }

 private:
  const xcb_damage_damage_t damage_;
};

}  // namespace framering::daemon
