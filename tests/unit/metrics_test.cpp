// How things are counted and written.
#include "daemon/metrics.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace framering::daemon {
namespace {

TEST(HistogramTest, ATimeCountsInTheFirstBucketWhoseBoundItDoesNotExceed) {
  Histogram histogram;
  histogram.observe(0);
  for (const uint64_t bound : Histogram::kBoundsNs) {
    histogram.observe(bound);
    histogram.observe(bound + 1);
  }
  const auto snapshot = histogram.snapshot();
  EXPECT_EQ(snapshot.counts.front(), 2u);
  EXPECT_EQ(snapshot.counts.back(), 1u);
  for (size_t i = 1; i + 1 < snapshot.counts.size(); ++i) EXPECT_EQ(snapshot.counts[i], 2u) << i;
}

TEST(HistogramTest, NothingIsLostWhileManyCount) {
  Histogram histogram;
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([&histogram, i] {
      for (int k = 0; k < 10'000; ++k) histogram.observe(i * 1'000'000);
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t total = 0;
  for (const uint64_t count : histogram.snapshot().counts) total += count;
  EXPECT_EQ(total, 40'000u);
  EXPECT_EQ(histogram.snapshot().sum_ns, 60'000'000'000u);
}

TEST(StreamMetricsTest, BytesAreThoseOfThePixelsThatChanged) {
  StreamMetrics metrics;
  CaptureInfo capture{.requested_ns = 1'000, .done_ns = 4'000, .damage = {}};
  const Geometry geometry{64, 32, PixelFormat::kBgrx8888};
  metrics.captured(capture, geometry);
  EXPECT_EQ(metrics.bytes.load(), 0u);
  capture.damage.add({0, 0, 8, 4});
  metrics.captured(capture, geometry);
  EXPECT_EQ(metrics.bytes.load(), 8u * 4 * 4);
  EXPECT_EQ(metrics.capture.snapshot().sum_ns, 6'000u);
  metrics.published(capture, 9'000, 11'000);
  EXPECT_EQ(metrics.upload.snapshot().sum_ns, 5'000u);
  EXPECT_EQ(metrics.publish.snapshot().sum_ns, 2'000u);
  EXPECT_EQ(metrics.age.snapshot().sum_ns, 10'000u);
}

TEST(StreamMetricsTest, RoundTripsAddUpOverSources) {
  StreamMetrics metrics;
  for (const uint64_t of_source : {5, 9, 2, 3}) metrics.count_round_trips(of_source);
  EXPECT_EQ(metrics.round_trips.load(), 12u);
}

TEST(ErrorCountsTest, EachCodeIsCountedByItself) {
  ErrorCounts counts;
  counts.count(proto::ErrorCode::kForked);
  counts.count(proto::ErrorCode::kForked);
  counts.count(static_cast<proto::ErrorCode>(999));
  EXPECT_EQ(counts.of(proto::ErrorCode::kForked), 2u);
  EXPECT_EQ(counts.of(proto::ErrorCode::kInternal), 0u);
}

TEST(MetricsTextTest, IsThatOfPrometheus) {
  MetricsText out;
  out.family("a_total", "counter", "Counts a.");
  out.value(3);
  out.value(0.5, {{"source", "win\\dow \"x\""}, {"uid", "7"}});
  EXPECT_EQ(out.text(),
            "# HELP a_total Counts a.\n"
            "# TYPE a_total counter\n"
            "a_total 3\n"
            "a_total{source=\"win\\\\dow \\\"x\\\"\",uid=\"7\"} 0.5\n");
}

TEST(MetricsTextTest, BucketsOfAHistogramAreCumulative) {
  Histogram histogram;
  for (const uint64_t ns : {10'000, 30'000, 30'000}) histogram.observe(ns);
  histogram.observe(5'000'000'000);
  MetricsText out;
  out.family("t_seconds", "histogram", "Time.");
  out.histogram(histogram, "screen");
  EXPECT_NE(out.text().find("t_seconds_bucket{source=\"screen\",le=\"2.5e-05\"} 1\n"), std::string::npos)
      << out.text();
  EXPECT_NE(out.text().find("t_seconds_bucket{source=\"screen\",le=\"1\"} 3\n"), std::string::npos);
  EXPECT_NE(out.text().find("t_seconds_bucket{source=\"screen\",le=\"+Inf\"} 4\n"), std::string::npos);
  EXPECT_NE(out.text().find("t_seconds_count{source=\"screen\"} 4\n"), std::string::npos);
  EXPECT_NE(out.text().find("t_seconds_sum{source=\"screen\"} 5.00007\n"), std::string::npos);
}

}  // namespace
}  // namespace framering::daemon
