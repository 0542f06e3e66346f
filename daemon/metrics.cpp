#include "daemon/metrics.h"

#include <algorithm>
#include <charconv>

namespace framering::daemon {

namespace {

constexpr double kSecondNs = 1e9;

void append_number(std::string& text, double value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  text.append(digits, end);
}

void append_escaped(std::string& text, std::string_view value) {
  for (const char byte : value) {
    if (byte == '\\' || byte == '"') text += '\\';
    text += byte;
  }
}

}  // namespace

void Histogram::observe(uint64_t ns) {
  const auto bucket = std::ranges::lower_bound(kBoundsNs, ns) - kBoundsNs.begin();
  counts_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(ns, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot snapshot;
  for (size_t i = 0; i < counts_.size(); ++i) snapshot.counts[i] = counts_[i].load(std::memory_order_relaxed);
  snapshot.sum_ns = sum_ns_.load(std::memory_order_relaxed);
  return snapshot;
}

void StreamMetrics::captured(const CaptureInfo& info, const Geometry& geometry) {
  capture.observe(info.done_ns - info.requested_ns);
  const uint64_t pixel_bytes = geometry.stride() / geometry.width;
  uint64_t pixels = 0;
  for (const DamageRect& rect : info.damage) pixels += uint64_t{rect.width} * rect.height;
  bytes.fetch_add(pixels * pixel_bytes, std::memory_order_relaxed);
}

void StreamMetrics::published(const CaptureInfo& info, uint64_t committed_ns, uint64_t published_ns) {
  upload.observe(committed_ns - info.done_ns);
  publish.observe(published_ns - committed_ns);
  age.observe(published_ns - info.requested_ns);
}

void StreamMetrics::count_round_trips(uint64_t of_source) {
  if (of_source < round_trips_seen) round_trips_seen = 0;  // another source
  round_trips.fetch_add(of_source - round_trips_seen, std::memory_order_relaxed);
  round_trips_seen = of_source;
}

void ErrorCounts::count(proto::ErrorCode code) {
  const auto number = static_cast<size_t>(code);
  ++counts_[number < counts_.size() ? number : 0];
}

uint64_t ErrorCounts::of(proto::ErrorCode code) const {
  return counts_[static_cast<size_t>(code)];
}

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help);
  text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void MetricsText::value(double value, Labels labels) {
  line({}, value, labels);
}

void MetricsText::histogram(const Histogram& histogram, std::string_view source) {
  const Histogram::Snapshot snapshot = histogram.snapshot();
  uint64_t total = 0;
  for (size_t i = 0; i < snapshot.counts.size(); ++i) {
    total += snapshot.counts[i];
    std::string bound = "+Inf";
    if (i < Histogram::kBoundsNs.size()) {
      bound.clear();
      append_number(bound, static_cast<double>(Histogram::kBoundsNs[i]) / kSecondNs);
    }
    line("_bucket", static_cast<double>(total), {{"source", source}, {"le", bound}});
  }
  line("_sum", static_cast<double>(snapshot.sum_ns) / kSecondNs, {{"source", source}});
  line("_count", static_cast<double>(total), {{"source", source}});
}

void MetricsText::line(std::string_view suffix, double value, Labels labels) {
  text_.append(name_).append(suffix);
  char before = '{';
  for (const auto& [name, label] : labels) {
    text_ += std::exchange(before, ',');
    text_.append(name).append("=\"");
    append_escaped(text_, label);
    text_ += '"';
  }
  if (labels.size() > 0) text_ += '}';
  text_ += ' ';
  append_number(text_, value);
  text_ += '\n';
}

}  // namespace framering::daemon
