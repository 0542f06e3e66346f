// The desktop of an X server.
#pragma once

#include <memory>
#include <string>

#include "daemon/capture/desktop.h"
#include "daemon/capture/x11_hub.h"
#include "proto/result.h"

namespace framering::daemon {

// Over the hub's connection to this display. Errors as those of open_x11_source().
proto::Result<std::unique_ptr<Desktop>> open_x11_desktop(const std::string& display, X11Hubs& hubs);

}  // namespace framering::daemon
