// Reads the daemon's metrics: text for Prometheus (exposition format 0.0.4), as Connection::metrics() gives
// it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace framering::cli {

using Labels = std::map<std::string, std::string>;

struct Sample {
  std::string name;  // a histogram's have _bucket, _sum and _count behind the family's name
  Labels labels;
  double value = 0;
};

struct MetricFamily {
  std::string name;
  std::string help;
  std::string type;  // counter, gauge, histogram
  std::vector<Sample> samples;
};

// Throws framering::Error (protocol) for what is no such text.
std::vector<MetricFamily> parse_metrics(std::string_view text);

}  // namespace framering::cli
