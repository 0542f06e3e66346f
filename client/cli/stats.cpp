#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"
#include "client/cli/metrics_text.h"

namespace framering::cli {

namespace {

using Json = nlohmann::ordered_json;

// One object for each stream of a histogram: its buckets by their upper bound, cumulative.
Json histograms(const MetricFamily& family) {
  std::map<Labels, Json> by_labels;
  for (const Sample& sample : family.samples) {
    Labels labels = sample.labels;
    std::string bound;
    if (const auto le = labels.find("le"); le != labels.end()) {
      bound = le->second;
      labels.erase(le);
    }
    Json& histogram = by_labels[labels];
    histogram["labels"] = labels;
    if (!bound.empty()) {
      histogram["buckets"][bound] = sample.value;
    } else {
      histogram[sample.name.substr(family.name.size() + 1)] = sample.value;  // sum, count
    }
  }
  Json all = Json::array();
  for (auto& [labels, histogram] : by_labels) all.push_back(std::move(histogram));
  return all;
}

Json values(const MetricFamily& family) {
  Json all = Json::array();
  for (const Sample& sample : family.samples) {
    all.push_back({{"labels", sample.labels}, {"value", sample.value}});
  }
  return all;
}

}  // namespace

int stats(const std::string& socket, const StatsOptions& options) {
  const std::string text = Connection::connect(socket, "framering stats").metrics();
  if (!options.json) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kOk;
  }
  Json all = Json::object();
  for (const MetricFamily& family : parse_metrics(text)) {
    all[family.name] = {{"type", family.type},
                        {"help", family.help},
                        {"samples", family.type == "histogram" ? histograms(family) : values(family)}};
  }
  std::printf("%s\n", all.dump(2).c_str());
  return kOk;
}

}  // namespace framering::cli
