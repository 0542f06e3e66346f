#include "daemon/pacer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace framering::daemon {
namespace {

constexpr uint64_t kMs = 1'000'000;

TEST(PacerTest, TheFirstChangeAfterIdlenessIsDueAtOnce) {
  Pacer pacer;
  pacer.set_fps(100);
  EXPECT_EQ(pacer.due_ns(), 0u);
  pacer.captured(1000 * kMs, 1000 * kMs);
  EXPECT_EQ(pacer.due_ns(), 1010 * kMs);
  // Idle for 5 s, then a change: due since long ago.
  EXPECT_LE(pacer.due_ns(), 6000 * kMs);
  pacer.captured(6003 * kMs, 6002 * kMs);
  EXPECT_EQ(pacer.due_ns(), 6013 * kMs);
}

TEST(PacerTest, ALateCaptureKeepsTheGridHoweverLateItIs) {
  Pacer pacer;
  pacer.set_fps(100);
  pacer.captured(1000 * kMs, 1000 * kMs);
  pacer.captured(1013 * kMs, 1001 * kMs);
  EXPECT_EQ(pacer.due_ns(), 1020 * kMs);
  pacer.captured(1043 * kMs, 1014 * kMs);
  EXPECT_EQ(pacer.due_ns(), 1050 * kMs);
  pacer.captured(1058 * kMs, 1044 * kMs);
  EXPECT_EQ(pacer.due_ns(), 1070 * kMs) << "the next point is too near";
}

TEST(PacerTest, UnderConstantChangeLatenessChangesNeitherRateNorGrid) {
  constexpr double kFps = 60;
  constexpr uint64_t kInterval = 16'666'666;
  std::mt19937_64 random(1);
  Pacer pacer;
  pacer.set_fps(kFps);
  constexpr uint64_t kBegin = 1000 * kMs;
  uint64_t now = kBegin;
  pacer.captured(now, now);
  for (uint64_t captures = 1; captures <= 10'000; ++captures) {
    const uint64_t due = pacer.due_ns();
    ASSERT_EQ(due, kBegin + captures * kInterval);
    const uint64_t before = now;
    now = due + random() % (7 * kMs);  // less than half an interval
    ASSERT_GE(now - before, kInterval / 2);
    pacer.captured(now, before + 1);
  }
}

TEST(PacerTest, WithoutACapEverythingIsDueAtOnce) {
  Pacer pacer;
  pacer.captured(1000, 1000);
  EXPECT_LE(pacer.due_ns(), 1000u);
}

TEST(PacerTest, ARaisedRateCountsAtOnce) {
  Pacer pacer;
  pacer.set_fps(1);
  pacer.captured(1000 * kMs, 1000 * kMs);
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
