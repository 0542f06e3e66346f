// What `framering top` shows, as lines of text; knows nothing of terminals.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/metrics_text.h"

namespace framering::cli {

enum class TopOrder { kName, kFps, kAge, kDrops, kLeases };

// What the metrics said at one moment.
struct TopSample {
  std::chrono::steady_clock::time_point time;
  std::vector<MetricFamily> families;
};

// The lines between two moments, none wider than `columns`, no more than `rows`: what has no room is counted
// in the last line. Rates are per second between them; without an earlier moment they are left out.
std::vector<std::string> top_lines(const std::optional<TopSample>& before, const TopSample& now,
                                   TopOrder order, size_t rows, size_t columns);

}  // namespace framering::cli
