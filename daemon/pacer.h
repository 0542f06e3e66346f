// When the next capture is due: at once after idleness, on an even grid under constant change.
#pragma once

#include <algorithm>
#include <cstdint>

namespace framering::daemon {

// Times are CLOCK_MONOTONIC nanoseconds.
class Pacer {
 public:
  // 0 = no cap. A rate that was raised counts at once.
  void set_fps(double fps) {
    const uint64_t interval_ns = fps > 0 ? static_cast<uint64_t>(1e9 / fps) : 0;
    if (interval_ns < interval_ns_) due_ns_ = std::min(due_ns_, captured_ns_ + interval_ns);
    interval_ns_ = interval_ns;
  }

  uint64_t due_ns() const { return due_ns_; }
  uint64_t interval_ns() const { return interval_ns_; }  // 0 = no cap

  // A capture at `now` of what has been waiting since `changed_ns`.
  void captured(uint64_t now, uint64_t changed_ns) {
    if (interval_ns_ == 0 || changed_ns > due_ns_) {
      due_ns_ = now + interval_ns_;  // nothing was there when it was due: a new grid
    } else {
      // Late, which must not add up: the next point of the grid that is half an interval away at least.
      due_ns_ += (1 + (now - due_ns_ + interval_ns_ / 2) / interval_ns_) * interval_ns_;
    }
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
