// What the daemon needs of the operating system: which sources and pools exist, and the process itself.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "daemon/capture/desktop.h"
#include "daemon/config.h"
#include "daemon/pump.h"
#include "daemon/source_name.h"
#include "proto/result.h"

namespace framering::daemon {

class HandedDisplay;
class X11Hubs;

// What the sources of one daemon share.
struct Shared {
  std::shared_ptr<HandedDisplay> handed;
  std::shared_ptr<X11Hubs> x11;
};
Shared make_shared_parts();

// The source of this name, with what the configuration says.
SourceFactory find_source(const SourceName& name, const Config& config, const Shared& shared);
// Whether it shows something of a display, which may be locked.
bool is_of_display(const SourceName& name);
// The desktop that the configuration names.
DesktopFactory find_desktop(const Config& config, const Shared& shared);
// The rate cap of this source where the configuration names none.
double default_max_fps(const SourceName& name);
// The pool for this source, where the configuration says, and a line in the log about it. kMemoryUnavailable
// for what does not exist here; kAuto chooses. `needs_new_process` is called, by a pump's thread, when a
// device was lost that only another process can use again.
proto::Result<PoolFactory> find_pool(const std::string& source, const Config& config,
                                     std::function<void()> needs_new_process);

// Starts this program anew in place of this process, with the same arguments. Returns if that fails.
void restart_process(char* const* arguments);

// The number of a group; none where there is no such group.
std::optional<uint32_t> find_group(const char* name);

// As many descriptors as the system lets this process have: each client takes a few.
void raise_descriptor_limit();

}  // namespace framering::daemon
