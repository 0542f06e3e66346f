// How long something took, many times.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace framering::testing {

// At least one, in nanoseconds.
inline void print_spans(const char* what, std::vector<int64_t> spans_ns) {
  std::ranges::sort(spans_ns);
  const auto milliseconds = [&](size_t index) { return static_cast<double>(spans_ns[index]) / 1e6; };
  std::printf("%s: median %.1f ms, 99 %% %.1f ms, at most %.1f ms (%zu times)\n", what,
              milliseconds(spans_ns.size() / 2), milliseconds(spans_ns.size() * 99 / 100),
              milliseconds(spans_ns.size() - 1), spans_ns.size());
}

}  // namespace framering::testing
