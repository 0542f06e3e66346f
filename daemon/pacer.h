// When the next capture is due: at once after idleness, evenly spaced under constant change.
#pragma once

#include <algorithm>
#include <cstdint>

namespace framering::daemon {

// Times are CLOCK_MONOTONIC nanoseconds.
class Pacer {
 public:
  // 0 = no cap.
  void set_fps(double fps) { interval_ns_ = fps > 0 ? static_cast<uint64_t>(1e9 / fps) : 0; }

  // A rate that was raised counts at once.
  uint64_t due_ns() const { return std::min(due_ns_, captured_ns_ + interval_ns_); }

  void captured(uint64_t now) {
    // A capture that is less than an interval late keeps the beat, so that lateness does not add up.
    const uint64_t due = due_ns();
    due_ns_ = (now - due < interval_ns_ ? due : now) + interval_ns_;
    captured_ns_ = now;
    counted_until_ns_ = 0;
  }

  // A due capture could not be made. True once for each interval that passes so.
  bool missed(uint64_t now) {
    if (now < counted_until_ns_) return false;
    counted_until_ns_ = now + (interval_ns_ > 0 ? interval_ns_ : kUncappedInterval);
    return true;
  }

 private:
  static constexpr uint64_t kUncappedInterval = 1'000'000;

  uint64_t interval_ns_ = 0;
  uint64_t due_ns_ = 0;
  uint64_t captured_ns_ = 0;
  uint64_t counted_until_ns_ = 0;
};

}  // namespace framering::daemon
