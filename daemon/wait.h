// The pump's waiting: two descriptors and a deadline.
#pragma once

#include <cstdint>

namespace framering::daemon {

inline constexpr uint64_t kNever = UINT64_MAX;

// Returns when `wake_fd` is readable, when `source_fd` (-1: none) is readable (if `want_input`) or has hung
// up, or at `deadline_ns` (CLOCK_MONOTONIC).
void wait_for_fds(int wake_fd, int source_fd, bool want_input, uint64_t deadline_ns);

bool has_hung_up(int fd);

// Deadlines of the calling thread are met to the microsecond, not to the default 50 us.
void tighten_timer_slack();

}  // namespace framering::daemon
