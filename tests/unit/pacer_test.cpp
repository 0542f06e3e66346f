#include "daemon/pacer.h"

#include <gtest/gtest.h>

namespace framering::daemon {
namespace {

constexpr uint64_t kMs = 1'000'000;

TEST(PacerTest, TheFirstChangeAfterIdlenessIsDueAtOnce) {
  Pacer pacer;
  pacer.set_fps(100);
  EXPECT_EQ(pacer.due_ns(), 0u);
  pacer.captured(1000 * kMs);
  EXPECT_EQ(pacer.due_ns(), 1010 * kMs);
  // Idle for 5 s, then a change: due since long ago.
  EXPECT_LE(pacer.due_ns(), 6000 * kMs);
  pacer.captured(6000 * kMs);
  EXPECT_EQ(pacer.due_ns(), 6010 * kMs);
}

TEST(PacerTest, ALateCaptureKeepsTheBeat) {
  Pacer pacer;
  pacer.set_fps(100);
  pacer.captured(1000 * kMs);
  pacer.captured(1013 * kMs);  // 3 ms late
  EXPECT_EQ(pacer.due_ns(), 1020 * kMs);
  pacer.captured(1045 * kMs);  // more than an interval late: a new beat
  EXPECT_EQ(pacer.due_ns(), 1055 * kMs);
}

TEST(PacerTest, WithoutACapEverythingIsDueAtOnce) {
  Pacer pacer;
  pacer.captured(1000);
  EXPECT_LE(pacer.due_ns(), 1000u);
}

TEST(PacerTest, ARaisedRateCountsAtOnce) {
  Pacer pacer;
  pacer.set_fps(1);
  pacer.captured(1000 * kMs);
  EXPECT_EQ(pacer.due_ns(), 2000 * kMs);
  pacer.set_fps(100);
  EXPECT_EQ(pacer.due_ns(), 1010 * kMs);
}

TEST(PacerTest, AStarvedFrameIsCountedOnceAnInterval) {
  Pacer pacer;
  pacer.set_fps(100);
  int counted = 0;
  for (uint64_t ms = 0; ms < 100; ++ms) counted += pacer.missed(1000 * kMs + ms * kMs);
  EXPECT_EQ(counted, 10);
}

}  // namespace
}  // namespace framering::daemon
