// The two ways of getting pixels from an X server.
#pragma once

namespace framering::daemon {

enum class X11CopyMethod {
  kAutomatic,  // kPixmaps where the server shares pixmaps, else kBands
  kPixmaps,    // the server copies what changed into pixmaps that lie over the surfaces; one round trip
  kBands,      // the server writes full-width bands around what changed; two round trips
};

}  // namespace framering::daemon
