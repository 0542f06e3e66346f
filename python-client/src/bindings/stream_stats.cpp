#include "python-client/src/bindings/stream_stats.h"

#include <algorithm>
#include <chrono>

namespace framering::python {

void StreamStats::add(const Frame& frame) {
  if (frame.sequence() == last_sequence_) return;
  last_sequence_ = frame.sequence();
  // steady_clock is CLOCK_MONOTONIC, as the frame's times are.
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto now_ns = static_cast<uint64_t>(std::chrono::nanoseconds(now).count());
  arrivals_[frames_++ % kRemembered] = {now_ns, now_ns - std::min(now_ns, frame.capture_ns())};
}

double StreamStats::fps() const {
  if (frames_ < 2) return 0;
  const Arrival& newest = arrivals_[(frames_ - 1) % kRemembered];
  const Arrival& oldest = arrivals_[(frames_ - remembered()) % kRemembered];
  if (newest.at_ns == oldest.at_ns) return 0;
  return static_cast<double>(remembered() - 1) * 1e9 / static_cast<double>(newest.at_ns - oldest.at_ns);
}

double StreamStats::age_ms(double part) const {
  if (frames_ == 0) return 0;
  std::vector<uint64_t> ages(remembered());
  std::transform(arrivals_.begin(), arrivals_.begin() + static_cast<std::ptrdiff_t>(ages.size()),
                 ages.begin(), [](const Arrival& arrival) { return arrival.age_ns; });
  const auto nth = ages.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(ages.size() - 1));
  std::nth_element(ages.begin(), nth, ages.end());
  return static_cast<double>(*nth) / 1e6;
}

}  // namespace framering::python
