// Tells a process from those that it forks, at the cost of a load: getpid() is a system call.
#pragma once

#include <cstdint>

namespace framering::internal {

// The same for a process as long as it lives; in a child of it never what it was in the parent. Throws
// std::bad_alloc.
uint64_t process_mark();

}  // namespace framering::internal
