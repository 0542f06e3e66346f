// What a display name means, and why it could not be connected to.
#pragma once

#include <string>

#include "proto/result.h"

namespace framering::daemon {

struct X11Display {
  std::string name;         // as given, or $DISPLAY
  std::string socket_path;  // where its server listens
  int screen = 0;
};

// kInvalidArgument for what is no display name; kUnavailable for a display on another machine.
proto::Result<X11Display> parse_x11_display(const std::string& name);

// After a connection failed: tells a server that is not there from one that does not let us in. Takes at most
// a second.
proto::Error explain_x11_refusal(const X11Display& display);

}  // namespace framering::daemon
