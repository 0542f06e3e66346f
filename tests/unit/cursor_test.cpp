// How the pointer is painted, cut to the bound, and handed to readers.
#include "daemon/cursor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "proto/cursor_shapes.h"
#include "proto/damage_history.h"

namespace framering::daemon {
namespace {

constexpr Geometry kSmall{8, 6, PixelFormat::kBgrx8888};

Cursor cursor_at(int32_t x, int32_t y, CursorPicture picture) {
  return {x, y, true, std::make_shared<const CursorPicture>(std::move(picture))};
}
CursorPicture plain(uint32_t width, uint32_t height, uint32_t argb, int32_t hot_x = 0, int32_t hot_y = 0) {
  return {7, width, height, hot_x, hot_y, std::vector<uint32_t>(size_t{width} * height, argb)};
}

// The exact quotient, rounded to the nearest.
uint32_t expected_channel(uint32_t source, uint32_t alpha, uint32_t below) {
  return std::min<uint32_t>(source + (2 * below * (255 - alpha) + 255) / 510, 255);
}

TEST(PaintCursor, EveryAlphaOverEveryChannelIsRoundedToTheNearest) {
  const Geometry geometry{256, 1, PixelFormat::kBgrx8888};
  for (uint32_t alpha = 1; alpha < 256; ++alpha) {
    for (const uint32_t source : {0u, alpha / 2, alpha}) {
      std::vector<uint32_t> pixels(256);
      for (uint32_t i = 0; i < 256; ++i) pixels[i] = 0xab000000 | i << 16 | (255 - i) << 8 | (i ^ 0x55);
      const auto before = pixels;
      paint_cursor(cursor_at(0, 0, plain(256, 1, alpha << 24 | source << 16 | source << 8 | source)),
                   geometry, std::as_writable_bytes(std::span(pixels)));
      for (uint32_t i = 0; i < 256; ++i) {
        const uint32_t expected = 0xab000000 | expected_channel(source, alpha, before[i] >> 16 & 255) << 16 |
                                  expected_channel(source, alpha, before[i] >> 8 & 255) << 8 |
                                  expected_channel(source, alpha, before[i] & 255);
        ASSERT_EQ(pixels[i], expected) << "alpha " << alpha << ", source " << source << ", below " << i;
      }
    }
  }
}

TEST(PaintCursor, WhatLiesOutsideIsCutAtEveryEdge) {
  for (int32_t y = -5; y < 10; ++y) {
    for (int32_t x = -5; x < 12; ++x) {
      std::vector<uint32_t> pixels(8 * 6);
      const Cursor cursor = cursor_at(x, y, plain(3, 2, 0xff112233, 1, 1));
      paint_cursor(cursor, kSmall, std::as_writable_bytes(std::span(pixels)));
      const DamageRect rect = cursor_rect(cursor, kSmall);
      for (int32_t py = 0; py < 6; ++py) {
        for (int32_t px = 0; px < 8; ++px) {
          const bool inside = px >= x - 1 && px < x + 2 && py >= y - 1 && py < y + 1;
          ASSERT_EQ(pixels[py * 8 + px], inside ? 0x112233u : 0u) << x << "," << y;
          ASSERT_EQ(px >= rect.x && px < rect.x + rect.width && py >= rect.y && py < rect.y + rect.height,
                    inside);
        }
      }
    }
  }
}

TEST(PaintCursor, EachFormatGetsItsColors) {
  struct Case {
    PixelFormat format;
    uint32_t pixel;
  };
  for (const auto& [format, pixel] :
       {Case{PixelFormat::kBgrx8888, 0x00ff8001}, Case{PixelFormat::kRgbx8888, 0x000180ff},
        Case{PixelFormat::kXrgb2101010, 1023u << 20 | 514u << 10 | 4},
        Case{PixelFormat::kRgb565, 31u << 11 | 32u << 5 | 0}}) {
    const Geometry geometry{1, 1, format};
    uint32_t word = 0;
    paint_cursor(cursor_at(0, 0, plain(1, 1, 0xffff8001)), geometry,
                 std::as_writable_bytes(std::span(&word, 1)));
    EXPECT_EQ(word, pixel) << proto::format_name(format);
  }
}

TEST(PaintCursor, AlphaIsComposedWhereTheFormatHasIt) {
  const Geometry geometry{256, 1, PixelFormat::kBgra8888};
  for (uint32_t alpha = 1; alpha < 256; ++alpha) {
    std::vector<uint32_t> pixels(256);
    for (uint32_t i = 0; i < 256; ++i) pixels[i] = i << 24;
    paint_cursor(cursor_at(0, 0, plain(256, 1, alpha << 24 | alpha)), geometry,
                 std::as_writable_bytes(std::span(pixels)));
    for (uint32_t i = 0; i < 256; ++i) {
      ASSERT_EQ(pixels[i], expected_channel(alpha, alpha, i) << 24 | alpha)
          << "alpha " << alpha << ", below " << i;
    }
  }
}

TEST(CutToBound, ASmallPictureStaysAsItIs) {
  const CursorPicture picture = plain(proto::kMaxCursorSize, 5, 0x80402010, 127, 4);
  const CursorPicture cut = cut_to_bound(picture);
  EXPECT_EQ(cut.argb, picture.argb);
  EXPECT_EQ(cut.hot_x, 127);
  EXPECT_EQ(cut.hot_y, 4);
}

TEST(CutToBound, OfALargeOneThePartAroundTheHotSpotStaysWithIt) {
  constexpr uint32_t kSize = 300;
  CursorPicture picture{9, kSize, kSize, 0, 0, std::vector<uint32_t>(kSize * kSize)};
  for (uint32_t i = 0; i < kSize * kSize; ++i) picture.argb[i] = i;
  for (const int32_t hot_x : {0, 10, 150, 290, 299}) {
    for (const int32_t hot_y : {0, 150, 299}) {
      picture.hot_x = hot_x;
      picture.hot_y = hot_y;
      const CursorPicture cut = cut_to_bound(picture);
      ASSERT_EQ(cut.width, proto::kMaxCursorSize);
      ASSERT_EQ(cut.height, proto::kMaxCursorSize);
      ASSERT_EQ(cut.serial, 9u);
      ASSERT_LT(static_cast<uint32_t>(cut.hot_x), cut.width);
      ASSERT_LT(static_cast<uint32_t>(cut.hot_y), cut.height);
      // The hot spot is the same pixel, and so are its neighbours.
      ASSERT_EQ(cut.argb[cut.hot_y * cut.width + cut.hot_x], static_cast<uint32_t>(hot_y) * kSize + hot_x);
      ASSERT_EQ(cut.argb.back() - cut.argb.front(), (cut.height - 1) * kSize + cut.width - 1);
    }
  }
}

// In memory as it is mapped, with one writer.
struct Page {
  Page() : control(new (bytes.get()) proto::ControlPage{}) {
    for (uint32_t i = 0; i < proto::kCursorShapes; ++i) new (&shapes()[i]) proto::CursorShape{};
  }
  proto::CursorShape* shapes() { return proto::cursor_shapes(control, 0); }
  std::span<const proto::CursorShape> view() { return {shapes(), proto::kCursorShapes}; }

  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::unique_ptr<Line[]> bytes{new Line[proto::control_bytes(0, proto::kCursorShapes) / sizeof(Line) + 1]()};
  proto::ControlPage* control;
};

TEST(SharedShapes, AReaderNeverSeesATornShape) {
  Page page;
  std::atomic<uint32_t> newest{0};
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (uint32_t serial = 1; serial <= 20'000; ++serial) {
      const uint32_t size = 1 + serial % 20;
      proto::write_shape(page.shapes()[serial % proto::kCursorShapes],
                         {serial, size, size, static_cast<int32_t>(serial), -static_cast<int32_t>(serial),
                          std::vector<uint32_t>(size * size, serial * 2654435761u)});
      newest = serial;
    }
    done = true;
  });
  while (!done) {
    const uint32_t serial = newest;
    const auto shape = proto::read_shape(page.view(), serial);
    if (!shape) continue;
    const uint32_t size = 1 + serial % 20;
    ASSERT_EQ(shape->width, size);
    ASSERT_EQ(shape->hot_x, static_cast<int32_t>(serial));
    ASSERT_EQ(shape->hot_y, -static_cast<int32_t>(serial));
    ASSERT_EQ(shape->argb, std::vector<uint32_t>(size * size, serial * 2654435761u));
  }
  writer.join();
  EXPECT_TRUE(proto::read_shape(page.view(), newest)) << "the newest is always there";
  EXPECT_FALSE(proto::read_shape(page.view(), newest - proto::kCursorShapes));
  EXPECT_FALSE(proto::read_shape(page.view(), 0));
}

TEST(SharedDamage, AReaderGetsAFramesOwnRectanglesOrNone) {
  Page page;
  std::atomic<uint64_t> newest{0};
  std::atomic<bool> done{false};
  const auto rect_of = [](uint64_t sequence) {
    return DamageRect{static_cast<uint16_t>(sequence), static_cast<uint16_t>(sequence >> 16), 3, 4};
  };
  std::thread writer([&] {
    for (uint64_t sequence = 1; sequence <= 200'000; ++sequence) {
      const std::vector<DamageRect> rects(1 + sequence % proto::kMaxHistoryRects, rect_of(sequence));
      proto::write_damage(*page.control, sequence, rects);
      newest = sequence;
    }
    done = true;
  });
  std::vector<DamageRect> rects;
  while (!done) {
    const uint64_t sequence = newest;
    for (uint64_t back = 0; back < proto::kDamageHistory && back < sequence; back += 21) {
      rects.clear();
      if (!proto::read_damage(*page.control, sequence - back, rects)) continue;
      ASSERT_EQ(rects.size(), 1 + (sequence - back) % proto::kMaxHistoryRects);
      for (const DamageRect& rect : rects) ASSERT_EQ(rect, rect_of(sequence - back));
    }
  }
  writer.join();
  rects.clear();
  EXPECT_TRUE(proto::read_damage(*page.control, newest, rects));
  EXPECT_TRUE(proto::read_damage(*page.control, newest - proto::kDamageHistory + 1, rects));
  EXPECT_FALSE(proto::read_damage(*page.control, newest - proto::kDamageHistory, rects));
  EXPECT_FALSE(proto::read_damage(*page.control, newest + 1, rects));
  EXPECT_FALSE(proto::read_damage(*page.control, 0, rects));
}

}  // namespace
}  // namespace framering::daemon
