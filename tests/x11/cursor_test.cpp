// What a source tells of an X server's pointer, and paints of it, against what the server itself says.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/capture/x11_source.h"
#include "daemon/capture/x11_window.h"
#include "tests/support/bound_source.h"
#include "tests/support/seed.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/x11_pointer.h"
#include "tests/support/x11_window.h"
#include "tests/support/xvfb.h"

namespace framering::daemon {
namespace {

using testing::BoundSource;
using testing::differing_pixels;
using testing::PointerPicture;
using testing::random_picture;
using testing::X11TestWindow;

constexpr X11CopyMethod kMethods[] = {X11CopyMethod::kPixmaps, X11CopyMethod::kBands};

class CursorTest : public ::testing::Test {
 protected:
  static BoundSource bind(proto::Result<std::unique_ptr<Source>> source) {
    if (!source) throw std::runtime_error(source.error().text());
    return BoundSource(*std::move(source), 3);
  }
  BoundSource open(bool embed = false) {
    return bind(open_x11_source({.display = server_.display(), .embed_cursor = embed}));
  }
  static Cursor cursor_of(const BoundSource& bound) {
    const auto cursor = bound.source().cursor();
    if (!cursor || !*cursor) throw std::runtime_error("no cursor");
    return **cursor;
  }
  static PointerPicture to_picture(const Cursor& cursor) {
    const CursorPicture& picture = *cursor.picture;
    return {static_cast<uint16_t>(picture.width), static_cast<uint16_t>(picture.height),
            static_cast<uint16_t>(picture.hot_x), static_cast<uint16_t>(picture.hot_y), picture.argb};
  }

  // What a frame shows that lies there on the desktop, as the server composes it.
  std::vector<std::byte> composed_at(const Geometry& geometry, uint32_t left, uint32_t top) const {
    const std::vector<std::byte> desktop = pointer_.composed();
    const size_t desktop_stride = desktop.size() / 200;
    std::vector<std::byte> part(geometry.frame_bytes());
    for (size_t y = 0; y < geometry.height; ++y) {
      std::memcpy(&part[y * geometry.stride()], &desktop[(y + top) * desktop_stride + size_t{left} * 4],
                  size_t{geometry.width} * 4);
    }
    return part;
  }
  // Embedded, at many places, while something is drawn.
  template <class Draw>
  void expect_composed(const BoundSource& bound, uint32_t left, uint32_t top, Draw&& draw) {
    for (uint32_t i = 0; i < 30; ++i) {
      if (i % 3 == 0) pointer_.show(random_picture(random_, 1 + random_() % 60, 1 + random_() % 60));
      pointer_.move(static_cast<int16_t>(random_() % 320), static_cast<int16_t>(random_() % 200));
      if (i % 4 == 0) draw();
      bound.poll();
      bound.capture(i % 3);
      ASSERT_EQ(
          differing_pixels(bound.geometry(), bound.pixels(i % 3), composed_at(bound.geometry(), left, top)),
          0u)
          << "frame " << i;
    }
  }

  const testing::Xvfb server_{{.screen = "320x200x24"}};
  testing::X11Desktop desktop_{server_.display()};
  testing::X11Pointer pointer_{server_.display()};
  std::mt19937 random_{testing::random_seed()};
};

TEST_F(CursorTest, PlacePictureAndHotSpotAreTheServers) {
  const BoundSource bound = open();
  ASSERT_TRUE(bound.source().has_cursor());
  for (int i = 0; i < 50; ++i) {
    const auto x = static_cast<int16_t>(random_() % 320), y = static_cast<int16_t>(random_() % 200);
    if (i % 3 != 0) pointer_.show(random_picture(random_, 1 + random_() % 64, 1 + random_() % 64));
    pointer_.move(x, y);
    const Cursor cursor = cursor_of(bound);
    EXPECT_EQ(cursor.x, x);
    EXPECT_EQ(cursor.y, y);
    EXPECT_TRUE(cursor.visible);
    EXPECT_EQ(to_picture(cursor), pointer_.picture());
  }
}

TEST_F(CursorTest, APictureHasItsSerialAndIsNotFetchedAgain) {
  const BoundSource bound = open();
  pointer_.show(random_picture(random_, 16, 16));
  const Cursor first = cursor_of(bound);
  pointer_.move(3, 4);
  const Cursor moved = cursor_of(bound);
  EXPECT_EQ(moved.picture, first.picture) << "the same object";
  pointer_.show(random_picture(random_, 16, 16));
  EXPECT_NE(cursor_of(bound).picture->serial, first.picture->serial);
}

// As xsetroot does it. The server then refuses the picture to most.
TEST_F(CursorTest, ThePictureOfAProgramThatHasGoneIsSeen) {
  const BoundSource bound = open();
  PointerPicture picture;
  {
    std::vector<std::unique_ptr<testing::X11Pointer>> others;
    for (int i = 0; i < 5; ++i) others.push_back(std::make_unique<testing::X11Pointer>(server_.display()));
    others.back()->show(random_picture(random_, 20, 20));
    picture = others.back()->picture();
  }
  const Cursor cursor = cursor_of(bound);
  EXPECT_TRUE(cursor.visible);
  EXPECT_EQ(to_picture(cursor), picture);
}

TEST_F(CursorTest, AWhollyTransparentPictureIsAHiddenPointer) {
  const BoundSource bound = open();
  PointerPicture nothing{8, 8, 0, 0, std::vector<uint32_t>(64, 0)};
  pointer_.show(nothing);
  EXPECT_FALSE(cursor_of(bound).visible);
  nothing.argb[63] = 0x01000000;
  pointer_.show(nothing);
  EXPECT_TRUE(cursor_of(bound).visible);
}

TEST_F(CursorTest, EmbeddedItIsExactlyWhatTheServerComposesWhereverItIs) {
  const BoundSource bound = open(/*embed=*/true);
  EXPECT_FALSE(bound.source().has_cursor());
  EXPECT_TRUE(bound.source().paints_cursor());
  desktop_.open_windows(random_);
  const int16_t edges[][2] = {{0, 0}, {319, 0}, {0, 199}, {319, 199}, {160, 100}};
  uint32_t slot = 0;
  for (const uint16_t size : {1, 24, 96, 200}) {
    for (const auto& [x, y] : edges) {
      pointer_.show(random_picture(random_, size, size));
      pointer_.move(x, y);
      desktop_.draw_random(random_);
      desktop_.sync();
      bound.poll();
      bound.capture(slot);
      EXPECT_EQ(differing_pixels(bound.geometry(), bound.pixels(slot), pointer_.composed()), 0u)
          << size << " at " << x << "," << y;
      slot = (slot + 1) % 3;
    }
  }
}

TEST_F(CursorTest, EmbeddedItsMotionAsksForACaptureThatChangesOnlyWhereItWasAndIs) {
  const BoundSource bound = open(/*embed=*/true);
  pointer_.show(random_picture(random_, 10, 10));
  pointer_.move(50, 50);
  bound.capture(0);
  bound.poll();
  ASSERT_TRUE(bound.source().cursor());
  EXPECT_FALSE(bound.poll().changed) << "it stands still";
  pointer_.move(200, 150);
  ASSERT_TRUE(bound.source().cursor());
  EXPECT_TRUE(bound.poll().changed);
  const CaptureInfo moved = bound.capture(1);
  uint32_t pixels = 0;
  for (const DamageRect& rect : moved.damage) pixels += uint32_t{rect.width} * rect.height;
  EXPECT_EQ(pixels, 200u);
  EXPECT_TRUE(bound.capture(2).damage.empty());
}

TEST_F(CursorTest, EmbeddedAnotherPictureInItsPlaceChangesThatPlaceAlone) {
  const BoundSource bound = open(/*embed=*/true);
  pointer_.move(50, 50);
  PointerPicture picture = random_picture(random_, 10, 10);
  for (uint32_t slot = 0; slot < 3; ++slot) {
    picture.argb[5] = 0xff000000 | slot;  // as a pointer that moves by itself
    pointer_.show(picture);
    const CaptureInfo shown = bound.capture(slot);
    if (slot == 0) continue;  // the first frame is changed all over
    ASSERT_EQ(shown.damage.size(), 1u);
    EXPECT_EQ(*shown.damage.begin(), (DamageRect{static_cast<uint16_t>(50 - picture.hot_x),
                                                 static_cast<uint16_t>(50 - picture.hot_y), 10, 10}));
    EXPECT_EQ(differing_pixels(bound.geometry(), bound.pixels(slot), pointer_.composed()), 0u);
  }
}

TEST_F(CursorTest, InARegionItHasTheRegionsCoordinates) {
  const BoundSource bound =
      bind(open_x11_source({.display = server_.display(), .part = RegionName{100, 50, 120, 90}}));
  pointer_.show(random_picture(random_, 9, 9));
  pointer_.move(130, 61);
  const Cursor inside = cursor_of(bound);
  EXPECT_EQ(std::pair(inside.x, inside.y), std::pair(30, 11));
  EXPECT_TRUE(inside.visible);
  pointer_.move(10, 5);
  const Cursor outside = cursor_of(bound);
  EXPECT_EQ(std::pair(outside.x, outside.y), std::pair(-90, -45));
  EXPECT_FALSE(outside.visible);
}

TEST_F(CursorTest, EmbeddedInARegionItIsExactlyWhatTheServerComposes) {
  desktop_.open_windows(random_);
  for (const X11CopyMethod method : kMethods) {
    expect_composed(bind(open_x11_source({.display = server_.display(),
                                          .copy_method = method,
                                          .part = RegionName{100, 50, 120, 90},
                                          .embed_cursor = true})),
                    100, 50, [&] {
                      desktop_.draw_random(random_);
                      desktop_.sync();
                    });
  }
}

TEST_F(CursorTest, OverAWindowItHasTheWindowsCoordinatesAndGoesWithIt) {
  X11TestWindow window(server_.display(), {.place = {40, 20, 200, 120}, .border = 3});
  const BoundSource bound =
      bind(open_x11_window({.display = server_.display(), .name = WindowId{window.id()}}));
  ASSERT_TRUE(bound.source().has_cursor());
  pointer_.show(random_picture(random_, 9, 9));
  pointer_.move(60, 50);
  const Cursor before = cursor_of(bound);
  EXPECT_EQ(std::pair(before.x, before.y), std::pair(17, 27));
  EXPECT_TRUE(before.visible);
  window.move(140, 90);
  window.sync();
  const Cursor moved = cursor_of(bound);
  EXPECT_EQ(std::pair(moved.x, moved.y), std::pair(-83, -43));
  EXPECT_FALSE(moved.visible);
  pointer_.move(150, 100);
  EXPECT_TRUE(cursor_of(bound).visible);
  window.unmap();
  window.sync();
  // The answer comes after the event.
  ASSERT_TRUE(bound.source().sync());
  EXPECT_FALSE(cursor_of(bound).visible);
}

TEST_F(CursorTest, EmbeddedOverAWindowItIsExactlyWhatTheServerComposes) {
  X11TestWindow window(server_.display(), {.place = {40, 20, 200, 120}, .border = 3});
  for (const X11CopyMethod method : kMethods) {
    expect_composed(bind(open_x11_window({.display = server_.display(),
                                          .name = WindowId{window.id()},
                                          .copy_method = method,
                                          .embed_cursor = true})),
                    43, 23, [&] {
                      window.draw_random(random_);
                      window.sync();
                    });
  }
}

// Whoever asks: several sources of one connection hear of the same picture.
TEST_F(CursorTest, AllSourcesOfOneConnectionSeeANewPicture) {
  const auto hubs = std::make_shared<X11Hubs>();
  const BoundSource first = bind(open_x11_source({.display = server_.display(), .hubs = hubs}));
  const BoundSource second =
      bind(open_x11_source({.display = server_.display(), .part = RegionName{0, 0, 50, 50}, .hubs = hubs}));
  for (int i = 0; i < 5; ++i) {
    pointer_.show(random_picture(random_, 12, 12));
    EXPECT_EQ(to_picture(cursor_of(first)), pointer_.picture());
    EXPECT_EQ(to_picture(cursor_of(second)), pointer_.picture());
  }
}

// Asked together, answered together.
TEST_F(CursorTest, ItsPlaceAndItsPictureAreOneRoundTrip) {
  const BoundSource bound = open();
  for (int i = 0; i < 3; ++i) {
    pointer_.show(random_picture(random_, 12, 12));
    const uint64_t before = bound.source().round_trips();
    ASSERT_TRUE(bound.source().cursor());
    EXPECT_EQ(bound.source().round_trips() - before, 1u);
  }
}

class DepthTest : public ::testing::TestWithParam<int> {};

// What has no 8 bits a channel is composed in 8 bits: off by one step of its own at most.
TEST_P(DepthTest, EmbeddedItIsTheServersToOneStepInEveryFormat) {
  const testing::Xvfb server({.screen = "101x60x" + std::to_string(GetParam())});
  testing::X11Desktop desktop(server.display());
  testing::X11Pointer pointer(server.display());
  std::mt19937 random(testing::random_seed());
  auto source = open_x11_source({.display = server.display(), .embed_cursor = true});
  ASSERT_TRUE(source) << source.error().text();
  const BoundSource bound(*std::move(source), 3);
  desktop.fill({0, 0, 101, 60}, 0x12345678);
  desktop.sync();
  pointer.show(random_picture(random, 32, 32));
  pointer.move(50, 30);
  bound.poll();
  bound.capture(0);
  const auto expected = pointer.composed();
  const auto shown = bound.pixels(0);
  const Geometry& geometry = bound.geometry();
  const uint32_t bytes = proto::bytes_per_pixel(geometry.format);
  const auto channels = [&](std::span<const std::byte> pixels, uint32_t x, uint32_t y) -> std::array<int, 3> {
    uint32_t word = 0;
    std::memcpy(&word, &pixels[size_t{y} * geometry.stride() + size_t{x} * bytes], bytes);
    const auto bits = [&](int from, uint32_t mask) { return static_cast<int>(word >> from & mask); };
    if (bytes == 2) return {bits(11, 31), bits(5, 63), bits(0, 31)};
    return {bits(20, 1023), bits(10, 1023), bits(0, 1023)};
  };
  const int step = bytes == 2 ? 1 : 4;  // of 8 bits, in the format's own
  for (uint32_t y = 0; y < geometry.height; ++y) {
    for (uint32_t x = 0; x < geometry.width; ++x) {
      const auto ours = channels(shown, x, y), theirs = channels(expected, x, y);
      for (int i = 0; i < 3; ++i) ASSERT_LE(std::abs(ours[i] - theirs[i]), step) << x << "," << y;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Depths, DepthTest, ::testing::Values(16, 30), ::testing::PrintToStringParamName());

}  // namespace
}  // namespace framering::daemon
