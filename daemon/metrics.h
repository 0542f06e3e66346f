// What the daemon counts, and how it is written for Prometheus (text exposition format 0.0.4). Counting
// neither locks nor allocates; reading sees each number by itself, not all of one moment.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/frame.h"
#include "proto/result.h"

namespace framering::daemon {

// How long something took. Any thread.
class Histogram {
 public:
  // Upper bounds of the buckets; one more takes the rest.
  static constexpr std::array<uint64_t, 14> kBoundsNs = {
      25'000,    50'000,     100'000,    250'000,    500'000,     1'000'000,   2'500'000,
      5'000'000, 10'000'000, 25'000'000, 50'000'000, 100'000'000, 250'000'000, 1'000'000'000};

  void observe(uint64_t ns);

  struct Snapshot {
    std::array<uint64_t, kBoundsNs.size() + 1> counts{};  // in each bucket alone
    uint64_t sum_ns = 0;
  };
  Snapshot snapshot() const;

 private:
  std::array<std::atomic<uint64_t>, kBoundsNs.size() + 1> counts_{};
  std::atomic<uint64_t> sum_ns_{0};
};

// Of one stream, over all its epochs. The pump counts, any thread reads.
struct StreamMetrics {
  // A capture that changed nothing is one too.
  void captured(const CaptureInfo& capture, const Geometry& geometry);
  // Of a frame: when its pixels were complete in its slot, and when whoever waits was told.
  void published(const CaptureInfo& capture, uint64_t committed_ns, uint64_t published_ns);
  // What the present source has counted so far.
  void count_round_trips(uint64_t of_source);

  std::atomic<uint64_t> epochs{0};
  std::atomic<uint64_t> bytes{0};        // of the pixels that changed
  std::atomic<uint64_t> round_trips{0};  // that sources waited for, where they ask a server
  uint64_t round_trips_seen = 0;         // of the present source; pump thread
  // Of clients that are gone; the living ones have theirs in their Reader.
  std::atomic<uint64_t> drops_caused_before{0};
  std::atomic<uint64_t> leases_broken_before{0};
  Histogram capture, upload, publish;  // asking to having the pixels, to complete in the slot, to published
  Histogram age;                       // asking to published
};

// How often clients were told of an error, by code. One thread.
class ErrorCounts {
 public:
  void count(proto::ErrorCode code);
  uint64_t of(proto::ErrorCode code) const;

 private:
  std::array<uint64_t, proto::kErrorCodes + 1> counts_{};  // the first is for what is no code
};

// Writes metrics, each family under its name, help and type.
class MetricsText {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // `type` is counter, gauge or histogram.
  void family(std::string_view name, std::string_view type, std::string_view help);
  // Of the family begun last.
  void value(double value, Labels labels = {});
  void histogram(const Histogram& histogram, std::string_view source);

  const std::string& text() const { return text_; }

 private:
  void line(std::string_view suffix, double value, Labels labels);

  std::string name_;
  std::string text_;
};

}  // namespace framering::daemon
