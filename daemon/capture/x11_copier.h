// How the X server's pixels get into the surfaces of one binding. A copier knows for each surface what it
// lacks, since each was last written at another time.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "daemon/capture/x11_caller.h"
#include "daemon/capture/x11_copy_method.h"
#include "daemon/capture/x11_damage.h"
#include "daemon/frame.h"
#include "daemon/surface.h"
#include "proto/result.h"

namespace framering::daemon {

// Where the pixels of a frame are.
struct X11Picture {
  xcb_drawable_t drawable = XCB_NONE;
  uint8_t depth = 0;
  int16_t x = 0;  // of the frame's first pixel in the drawable
  int16_t y = 0;
  X11Area area;  // the frame, in the coordinates of its damage
};

class X11Copier {
 public:
  virtual ~X11Copier() = default;

  // Copies what the surface lacks, or everything, and waits until it is there. `changed` becomes what changed
  // since the copy before, on whichever surface. After an error the surface holds no frame.
  virtual proto::Status copy(size_t surface, bool everything, Damage& changed) = 0;

  // Something else was painted there in the frame: the next copy to the surface brings the server's pixels
  // back.
  virtual void painted_over(size_t surface, DamageRect rect) = 0;

  // From now on the pixels come from another drawable of the same depth, and what changed from its damage.
  // The next copy is one of everything.
  virtual void set_source(xcb_drawable_t drawable, X11Damage& damage) = 0;
};

// By this method; where it is the automatic one, the one that works.
proto::Result<std::unique_ptr<X11Copier>> make_x11_copier(X11CopyMethod method, const X11Caller& caller,
                                                          X11Damage& damage, const X11Picture& picture,
                                                          uint32_t stride, std::span<const Surface> surfaces);

// CopyArea into pixmaps over the surfaces, all steps in one round trip. Fails where the server cannot make
// such pixmaps.
proto::Result<std::unique_ptr<X11Copier>> make_x11_pixmap_copier(const X11Caller& caller, X11Damage& damage,
                                                                 const X11Picture& picture,
                                                                 std::span<const Surface> surfaces);

// ShmGetImage, which writes packed rows, of full-width bands. The client has to know the damage first: two
// round trips.
proto::Result<std::unique_ptr<X11Copier>> make_x11_band_copier(const X11Caller& caller, X11Damage& damage,
                                                               const X11Picture& picture, uint32_t stride,
                                                               std::span<const Surface> surfaces);

}  // namespace framering::daemon
