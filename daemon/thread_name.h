// Names the calling thread for ps, top and debuggers; at most 15 bytes are kept.
#pragma once

#include <string>

namespace framering::daemon {

void name_this_thread(const std::string& name);

}  // namespace framering::daemon
