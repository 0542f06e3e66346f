// How the X server's pixels get into the surfaces of one binding. A copier knows for each surface what it
// lacks, since each was last written at another time.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "daemon/capture/x11_connection.h"
#include "daemon/capture/x11_damage.h"
#include "daemon/frame.h"
#include "daemon/surface.h"
#include "proto/result.h"

namespace framering::daemon {

class X11Copier {
 public:
  virtual ~X11Copier() = default;

  // Copies what the surface lacks, or everything, and waits until it is there. `changed` becomes what changed
  // since the copy before, on whichever surface. After an error the surface holds no frame.
  virtual proto::Status copy(size_t surface, bool everything, Damage& changed) = 0;

  // Something else was painted there: the next copy to the surface brings the server's pixels back.
  virtual void painted_over(size_t surface, DamageRect rect) = 0;
};

// CopyArea into pixmaps over the surfaces, all steps in one round trip. Fails where the server cannot make
// such pixmaps.
proto::Result<std::unique_ptr<X11Copier>> make_x11_pixmap_copier(const X11Connection& connection,
                                                                 X11Damage& damage, const Geometry& geometry,
                                                                 std::span<const Surface> surfaces);

// ShmGetImage, which writes packed rows, of full-width bands. The client has to know the damage first: two
// round trips.
proto::Result<std::unique_ptr<X11Copier>> make_x11_band_copier(const X11Connection& connection,
                                                               X11Damage& damage, const Geometry& geometry,
                                                               std::span<const Surface> surfaces);

}  // namespace framering::daemon
