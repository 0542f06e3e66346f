// The desktop of an X server, or a part of it: its root window with all that is on it, in the root's own
// pixel format.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "daemon/capture/source.h"
#include "daemon/capture/x11_copy_method.h"
#include "daemon/capture/x11_hub.h"
#include "daemon/source_name.h"
#include "proto/result.h"

namespace framering::daemon {

struct X11Options {
  std::string display;  // as in DISPLAY; empty: $DISPLAY
  X11CopyMethod copy_method = X11CopyMethod::kAutomatic;
  std::variant<ScreenName, MonitorName, RegionName> part{};
  std::shared_ptr<X11Hubs> hubs{};  // whose connections are shared; none: one of its own
  bool embed_cursor = false;        // paint the pointer into the frames
};

// Connects, and refuses by name what the server lacks. kInvalidArgument for a display, a screen or a region
// that cannot be, kNotFound for a monitor that is not there, kPermissionDenied where the server refuses us,
// else kUnavailable. Blocks while the server does not answer.
proto::Result<std::unique_ptr<Source>> open_x11_source(const X11Options& options);

}  // namespace framering::daemon
