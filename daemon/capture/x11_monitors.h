// The monitors of an X server, as RandR tells them.
#pragma once

#include <xcb/randr.h>

#include <string>
#include <vector>

#include "daemon/capture/x11_caller.h"
#include "daemon/capture/x11_damage.h"
#include "daemon/source_name.h"
#include "proto/message.h"
#include "proto/result.h"

namespace framering::daemon {

struct X11Monitor {
  std::string name;  // of its output, such as "HDMI-1"
  X11Area area;      // on the desktop
  bool primary = false;
  uint32_t width_mm = 0;
  uint32_t height_mm = 0;
  uint16_t order = 0;                    // among them, as the server tells them
  xcb_randr_output_t output = XCB_NONE;  // the primary one if it is among its outputs, else the first
};

// The primary one first, then from left to right. One round trip and one more for each name. kUnavailable
// without RANDR 1.5.
proto::Result<std::vector<X11Monitor>> x11_monitors(const X11Caller& caller);

// In the same order, with what else is to be known of each: output, refresh rate, EDID, scale. Three round
// trips more.
proto::Result<std::vector<proto::MonitorInfo>> describe_x11_monitors(const X11Caller& caller);

// kNotFound lists those that there are.
proto::Result<X11Monitor> find_x11_monitor(const X11Caller& caller, const MonitorName& name);

}  // namespace framering::daemon
