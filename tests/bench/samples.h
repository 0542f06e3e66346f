// Times of one kind, and what is printed of them.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace framering::bench {

inline uint64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

class Samples {
 public:
  void add(uint64_t ns) { ns_.push_back(ns); }
  size_t size() const { return ns_.size(); }

  // Microseconds; 0 without samples.
  double quantile_us(double quantile) {
    if (ns_.empty()) return 0;
    const size_t index =
        std::min(ns_.size() - 1, static_cast<size_t>(quantile * static_cast<double>(ns_.size())));
    std::nth_element(ns_.begin(), ns_.begin() + static_cast<ptrdiff_t>(index), ns_.end());
    return static_cast<double>(ns_[index]) / 1000;
  }

  // {"p50": ..., "p95": ..., "p99": ...}, microseconds.
  std::string json() {
    return "{\"p50\": " + std::to_string(quantile_us(0.50)) +
           ", \"p95\": " + std::to_string(quantile_us(0.95)) +
           ", \"p99\": " + std::to_string(quantile_us(0.99)) + "}";
  }

 private:
  std::vector<uint64_t> ns_;
};

template <class Work>
uint64_t time_ns(Work&& work) {
  const uint64_t begin = now_ns();
  work();
  return now_ns() - begin;
}

}  // namespace framering::bench
