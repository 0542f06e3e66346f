// What another process holds, as /proc tells it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>

namespace framering::testing {

struct ProcessUsage {
  size_t fds = 0;
  size_t threads = 0;
  size_t memfds = 0;  // mappings of them
  friend bool operator==(const ProcessUsage&, const ProcessUsage&) = default;
};
ProcessUsage usage_of(pid_t pid);
ProcessUsage settled_usage_of(pid_t pid);  // once it has not changed for a while; the last one after 10 s
std::ostream& operator<<(std::ostream& out, const ProcessUsage& usage);

uint64_t private_memory_kib(pid_t pid);            // resident, not shared
std::chrono::milliseconds cpu_time_of(pid_t pid);  // since it started
char state_of(pid_t pid);                          // as ps shows it: 'T' is stopped

}  // namespace framering::testing
