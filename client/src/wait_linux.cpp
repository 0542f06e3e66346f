#include "wait_linux.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace framering::internal {

uint64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

uint64_t deadline_after(std::chrono::nanoseconds timeout) {
  const uint64_t now = now_ns();
  if (timeout.count() <= 0) return now;
  const auto wait = static_cast<uint64_t>(timeout.count());
  return timeout < timeout.max() && wait < kNever - now ? now + wait : kNever;
}

Woken wait_on(const std::atomic<uint32_t>& word, uint32_t expected, uint64_t deadline_ns) {
  const timespec deadline{static_cast<time_t>(deadline_ns / 1'000'000'000),
                          static_cast<long>(deadline_ns % 1'000'000'000)};
  // The bitset form takes an absolute CLOCK_MONOTONIC time, kNever as well: a wait without one would go on
  // after a handler that was installed with SA_RESTART. Never private: the word is shared between processes.
  const long result =
      syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, expected, &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
  if (result == 0) return Woken::kWoken;
  return errno == ETIMEDOUT ? Woken::kTimeout : errno == EINTR ? Woken::kInterrupted : Woken::kWoken;
}

void wake_all(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace framering::internal
