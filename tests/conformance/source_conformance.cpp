#include "tests/conformance/source_conformance.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <future>
#include <random>
#include <thread>

namespace framering::daemon {

using testing::BoundSource;

size_t stale_pixels(SourceRig& rig, const BoundSource& bound, uint32_t slot) {
  const auto shown = bound.pixels(slot);
  return testing::differing_pixels(bound.geometry(), shown, rig.truth(bound.geometry(), shown));
}

namespace {

using proto::ErrorCode;
using namespace std::chrono_literals;

constexpr uint32_t kSlots = 3;
constexpr int kPatienceMs = 5'000;

bool covers_all(const Damage& damage, const Geometry& geometry) {
  const DamageRect all{0, 0, static_cast<uint16_t>(geometry.width), static_cast<uint16_t>(geometry.height)};
  return damage.bounds() == all;
}

bool contains(const DamageRect& rect, uint32_t x, uint32_t y) {
  return x >= rect.x && y >= rect.y && x < uint32_t{rect.x} + rect.width &&
         y < uint32_t{rect.y} + rect.height;
}

// Pixels that differ although the damage does not name them.
size_t uncovered(const Geometry& geometry, std::span<const std::byte> before,
                 std::span<const std::byte> after, const Damage& damage) {
  size_t count = 0;
  for (uint32_t y = 0; y < geometry.height; ++y) {
    for (uint32_t x = 0; x < geometry.width; ++x) {
      if (testing::same_pixel(geometry, before, after, x, y)) continue;
      count += std::none_of(damage.begin(), damage.end(), [&](const auto& r) { return contains(r, x, y); });
    }
  }
  return count;
}

std::vector<std::byte> copy_of(std::span<const std::byte> pixels) {
  return {pixels.begin(), pixels.end()};
}

TEST_P(SourceConformance, GeometryIsConstantAndOneThatAStreamCanHave) {
  const auto source = rig_->open();
  const auto geometry = source->geometry();
  ASSERT_TRUE(geometry);
  EXPECT_TRUE(check_geometry(*geometry));
  EXPECT_EQ(*source->geometry(), *geometry);
}

TEST_P(SourceConformance, FirstCaptureIsWhole) {
  BoundSource bound(rig_->open(), kSlots);
  const CaptureInfo info = bound.capture(0);
  EXPECT_EQ(info.damage.size(), 1u);
  EXPECT_TRUE(covers_all(info.damage, bound.geometry()));
  EXPECT_EQ(stale_pixels(*rig_, bound, 0), 0u);
}

TEST_P(SourceConformance, TimesEncloseTheCapture) {
  BoundSource bound(rig_->open(), kSlots);
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    const uint64_t before_ns = now_ns();
    const CaptureInfo info = bound.capture(slot);
    EXPECT_LE(before_ns, info.requested_ns);
    EXPECT_LE(info.requested_ns, info.done_ns);
    EXPECT_LE(info.done_ns, now_ns());
  }
}

TEST_P(SourceConformance, NothingChangedGivesEmptyDamageAndAnUpToDateSurface) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  for (uint32_t i = 0; i < 2 * kSlots; ++i) {
    const uint32_t slot = i % kSlots;
    EXPECT_TRUE(bound.capture(slot).damage.empty());
    EXPECT_EQ(stale_pixels(*rig_, bound, slot), 0u);
  }
}

TEST_P(SourceConformance, ChangeMakesTheDescriptorReadableAndPollTellsIt) {
  BoundSource bound(rig_->open(), kSlots);
  for (uint32_t i = 0; i < 5; ++i) {
    bound.capture(i % kSlots);
    bound.poll();
    rig_->change(bound.source());
    ASSERT_TRUE(bound.readable(kPatienceMs));
    const auto events = bound.source().poll();
    ASSERT_TRUE(events);
    EXPECT_TRUE(events->changed);
    EXPECT_FALSE(events->geometry);
    EXPECT_FALSE(bound.readable(0));
    EXPECT_FALSE(bound.source().poll()->changed);
  }
}

// A change that arrives while capture() waits for its own reply must not be swallowed.
TEST_P(SourceConformance, ChangeAfterACaptureIsToldEvenIfAnotherCallHeardOfIt) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  bound.poll();
  rig_->change(bound.source());
  ASSERT_TRUE(bound.source().geometry());
  EXPECT_TRUE(bound.source().poll()->changed);
}

TEST_P(SourceConformance, DamageCoversEveryChangedPixel) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  auto before = copy_of(bound.pixels(0));
  for (uint32_t i = 1; i < 20; ++i) {
    const uint32_t slot = i % kSlots;
    rig_->change(bound.source());
    bound.poll();
    const CaptureInfo info = bound.capture(slot);
    EXPECT_FALSE(info.damage.empty());
    ASSERT_EQ(uncovered(bound.geometry(), before, bound.pixels(slot), info.damage), 0u);
    before = copy_of(bound.pixels(slot));
  }
}

TEST_P(SourceConformance, SurfacesInAnyOrderHoldNoStalePixel) {
  BoundSource bound(rig_->open(), kSlots);
  std::mt19937 random(7);
  for (uint32_t i = 0; i < 30; ++i) {
    rig_->change(bound.source());
    bound.poll();
    const auto slot = static_cast<uint32_t>(random() % kSlots);
    bound.capture(slot);
    ASSERT_EQ(stale_pixels(*rig_, bound, slot), 0u) << "capture " << i;
  }
}

TEST_P(SourceConformance, FullCaptureWritesEveryPixel) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  std::memset(bound.pixels(0).data(), 0xee, bound.pixels(0).size());
  const CaptureInfo info = bound.capture(0, Source::Request::kFull);
  EXPECT_TRUE(covers_all(info.damage, bound.geometry()));
  EXPECT_EQ(stale_pixels(*rig_, bound, 0), 0u);
}

TEST_P(SourceConformance, CaptureWritesItsSurfaceAlone) {
  BoundSource bound(rig_->open(), kSlots);
  std::byte* const region = bound.pixels(0).data();
  const size_t bytes = bound.pool().slot_bytes() * kSlots;
  std::memset(region, 0xee, bytes);
  bound.capture(1);
  const std::span<std::byte> written = bound.pixels(1);
  const auto untouched = [](std::byte value) { return value == std::byte{0xee}; };
  EXPECT_TRUE(std::all_of(region, written.data(), untouched));
  EXPECT_TRUE(std::all_of(written.data() + written.size(), region + bytes, untouched));
}

TEST_P(SourceConformance, BindingAgainStartsOverInNewMemory) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  bound.capture(1);
  bound.bind_new_pool(kSlots + 1);
  for (uint32_t slot = kSlots; slot > 0; --slot) {
    const CaptureInfo info = bound.capture(slot);
    EXPECT_EQ(covers_all(info.damage, bound.geometry()), slot == kSlots);
    EXPECT_EQ(stale_pixels(*rig_, bound, slot), 0u);
  }
}

TEST_P(SourceConformance, InterruptedSourceIsGone) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  bound.poll();
  std::thread([&] { bound.source().interrupt(); }).join();
  EXPECT_TRUE(bound.readable(kPatienceMs));
  const auto events = bound.source().poll();
  ASSERT_FALSE(events);
  EXPECT_EQ(events.error().code, ErrorCode::kUnavailable);
  const auto captured = bound.source().capture(0, Source::Request::kChanged);
  ASSERT_FALSE(captured);
  EXPECT_EQ(captured.error().code, ErrorCode::kUnavailable);
  const auto geometry = bound.source().geometry();
  ASSERT_FALSE(geometry);
  EXPECT_EQ(geometry.error().code, ErrorCode::kUnavailable);
}

TEST_P(PeerSourceConformance, EndOfThePeerIsToldByName) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  bound.poll();
  rig_->kill();
  EXPECT_TRUE(bound.readable(kPatienceMs));
  const auto events = bound.source().poll();
  ASSERT_FALSE(events);
  EXPECT_EQ(events.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(events.error().message.find(rig_->name()), std::string::npos) << events.error().message;
}

TEST_P(PeerSourceConformance, EndOfThePeerEndsACapture) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  rig_->kill();
  const auto captured = bound.source().capture(1, Source::Request::kChanged);
  ASSERT_FALSE(captured);
  EXPECT_EQ(captured.error().code, ErrorCode::kUnavailable);
}

TEST_P(PeerSourceConformance, InterruptEndsACallThatHangs) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  rig_->hang();
  auto call =
      std::async(std::launch::async, [&] { return bound.source().capture(1, Source::Request::kChanged); });
  EXPECT_EQ(call.wait_for(200ms), std::future_status::timeout) << "it does not hang";
  bound.source().interrupt();
  ASSERT_EQ(call.wait_for(5s), std::future_status::ready);
  const auto captured = call.get();
  ASSERT_FALSE(captured);
  EXPECT_EQ(captured.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(bound.source().poll());
}

TEST_P(PeerSourceConformance, NewGeometryIsToldAndCaptured) {
  BoundSource bound(rig_->open(), kSlots);
  const Geometry old = bound.geometry();
  bound.capture(0);
  bound.poll();
  for (const Geometry size : {Geometry{old.width - 160, old.height - 41}, Geometry{333, 77}, old}) {
    rig_->resize(size.width, size.height);
    ASSERT_TRUE(bound.readable(kPatienceMs));
    ASSERT_TRUE(bound.source().poll()->geometry);
    bound.bind_new_pool(kSlots);
    EXPECT_EQ(bound.geometry(), (Geometry{size.width, size.height, old.format, old.x, old.y}));
    EXPECT_FALSE(bound.source().poll()->geometry);
    for (uint32_t i = 0; i < 2 * kSlots; ++i) {
      bound.capture(i % kSlots);
      ASSERT_EQ(stale_pixels(*rig_, bound, i % kSlots), 0u);
      rig_->change(bound.source());
    }
    bound.poll();
  }
}

TEST_P(PeerSourceConformance, CaptureThatMeetsANewGeometryHoldsNoFrame) {
  BoundSource bound(rig_->open(), kSlots);
  bound.capture(0);
  bound.poll();
  rig_->resize(bound.geometry().width - 100, bound.geometry().height);
  const auto captured = bound.source().capture(1, Source::Request::kChanged);
  ASSERT_FALSE(captured);
  EXPECT_EQ(captured.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(bound.source().poll()->geometry);
}

TEST_P(PeerSourceConformance, GeometryThatCameBackLeavesNothingStale) {
  BoundSource bound(rig_->open(), kSlots);
  const Geometry old = bound.geometry();
  for (uint32_t slot = 0; slot < kSlots; ++slot) bound.capture(slot);
  bound.poll();
  rig_->resize(old.width / 2, old.height / 2);
  rig_->change(bound.source());
  EXPECT_FALSE(bound.source().capture(1, Source::Request::kChanged));
  rig_->resize(old.width, old.height);
  ASSERT_TRUE(bound.source().poll()->geometry);
  ASSERT_EQ(*bound.source().geometry(), old);
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    bound.capture(slot);
    EXPECT_EQ(stale_pixels(*rig_, bound, slot), 0u);
  }
}

}  // namespace
}  // namespace framering::daemon
