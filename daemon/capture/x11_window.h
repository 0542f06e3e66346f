// One window of an X server, whatever covers it and wherever it lies, from its own picture (Composite).
#pragma once

#include <memory>
#include <string>

#include "daemon/capture/source.h"
#include "daemon/capture/x11_copy_method.h"
#include "daemon/capture/x11_hub.h"
#include "daemon/capture/x11_window_list.h"
#include "proto/result.h"

namespace framering::daemon {

struct X11WindowOptions {
  std::string display;  // as in DISPLAY; empty: $DISPLAY
  X11WindowName name;
  X11CopyMethod copy_method = X11CopyMethod::kAutomatic;
  std::shared_ptr<X11Hubs> hubs{};  // whose connections are shared; none: one of its own
  bool embed_cursor = false;        // paint the pointer into the frames
};

// As open_x11_source() and find_x11_window(). kUnavailable where the server lacks Composite, and for a window
// that is not shown: it has no picture.
proto::Result<std::unique_ptr<Source>> open_x11_window(const X11WindowOptions& options);

}  // namespace framering::daemon
