// What a stream has returned lately: for Stream.stats.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "framering/frame.h"

namespace framering::python {

// Needs the GIL.
class StreamStats {
 public:
  // A frame that was just returned; one that was returned before counts once.
  void add(const Frame& frame);

  uint64_t frames() const { return frames_; }
  double fps() const;  // of the frames that are remembered; 0 for fewer than two
  // Milliseconds from the request of the capture to the return; `part` is 0.5 for the median. 0 without
  // frames.
  double age_ms(double part) const;

 private:
  static constexpr size_t kRemembered = 512;
  struct Arrival {
    uint64_t at_ns = 0;
    uint64_t age_ns = 0;
  };

  size_t remembered() const { return frames_ < kRemembered ? static_cast<size_t>(frames_) : kRemembered; }

  std::array<Arrival, kRemembered> arrivals_{};
  uint64_t frames_ = 0;
  uint64_t last_sequence_ = 0;
};

}  // namespace framering::python
