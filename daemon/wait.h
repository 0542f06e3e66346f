// The pump's waiting: a few descriptors and a deadline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace framering::daemon {

inline constexpr uint64_t kNever = UINT64_MAX;
inline constexpr int kNoFd = -1;
inline constexpr size_t kMostFds = 3;

// Returns when one of `readable`, kMostFds at most, is readable or has hung up, when `hung_up` has hung up,
// or at `deadline_ns` (CLOCK_MONOTONIC). Each descriptor may be kNoFd.
void wait_for_fds(std::initializer_list<int> readable, uint64_t deadline_ns, int hung_up = kNoFd);

bool has_hung_up(int fd);

// Deadlines of the calling thread are met to the microsecond, not to the default 50 us.
void tighten_timer_slack();

}  // namespace framering::daemon
