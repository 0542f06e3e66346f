// What `framering watch` tells of a stretch of time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "framering/framering.h"

namespace framering::cli {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, as the frames' times

// Milliseconds, each known to 1 % of itself, in bounded memory: a watch may run for weeks.
class Ages {
 public:
  void add(double ms);
  std::optional<double> quantile(double share) const;  // nothing where nothing was added

 private:
  std::array<uint64_t, 2100> counts_{};
  uint64_t total_ = 0;
};

class Report {
 public:
  explicit Report(Clock::time_point begin) : begin_(begin) {}

  // `age` from the request for the capture until now; none where that says nothing of the delay.
  void add(const Frame& frame, std::optional<Clock::duration> age);
  void set_missed(uint64_t missed) { missed_ = missed; }

  Clock::time_point begin() const { return begin_; }
  std::string line(const Stream& stream, Clock::time_point now) const;
  std::string total_line(Clock::time_point now) const;
  std::string json(const Stream& stream, Clock::time_point now, bool is_total) const;

 private:
  double seconds(Clock::time_point now) const;
  double fps(Clock::time_point now) const;
  double changed_percent() const;  // of the picture from frame to frame, on average
  std::string delay_and_change() const;

  Clock::time_point begin_;
  uint64_t frames_ = 0;
  uint64_t missed_ = 0;
  uint64_t pixels_ = 0;
  uint64_t changed_pixels_ = 0;
  Ages ages_;
};

}  // namespace framering::cli
