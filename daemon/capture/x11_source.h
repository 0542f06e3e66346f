// The desktop of an X server: its root window with all that is on it, in the root's own pixel format.
#pragma once

#include <memory>
#include <string>

#include "daemon/capture/source.h"
#include "proto/result.h"

namespace framering::daemon {

enum class X11CopyMethod {
  kAutomatic,  // kPixmaps where the server shares pixmaps, else kBands
  kPixmaps,    // the server copies what changed into pixmaps that lie over the surfaces; one round trip
  kBands,      // the server writes full-width bands around what changed; two round trips
};

struct X11Options {
  std::string display;  // as in DISPLAY; empty: $DISPLAY
  X11CopyMethod copy_method = X11CopyMethod::kAutomatic;
  bool embed_cursor = false;  // paint the pointer into the frames
};

// Connects, and refuses by name what the server lacks. kInvalidArgument for a display or screen that cannot
// exist, kPermissionDenied where the server refuses us, else kUnavailable. Blocks while the server does not
// answer.
proto::Result<std::unique_ptr<Source>> open_x11_source(const X11Options& options);

}  // namespace framering::daemon
