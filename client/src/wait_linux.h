// Sleeping on a word that another process changes, and waking who sleeps on it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace framering::internal {

inline constexpr uint64_t kNever = UINT64_MAX;

uint64_t now_ns();  // CLOCK_MONOTONIC
// kNever for more time than there is.
uint64_t deadline_after(std::chrono::nanoseconds timeout);

enum class Woken {
  kWoken,  // by a wake-up, or the word had changed already
  kTimeout,
  kInterrupted,  // by a signal handler
};

// Sleeps while `word` is `expected`, until `deadline_ns` at most.
Woken wait_on(const std::atomic<uint32_t>& word, uint32_t expected, uint64_t deadline_ns);
void wake_all(std::atomic<uint32_t>& word);

}  // namespace framering::internal
