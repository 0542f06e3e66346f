#include "daemon/capture/test_pattern.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace framering::daemon {
namespace {

struct Picture {
  Picture(uint32_t frame_number, uint32_t width, uint32_t height)
      : geometry{width, height}, pixels(geometry.frame_bytes()) {
    paint_test_pattern(frame_number, geometry, pixels);
  }
  DamageRect all() const {
    return {0, 0, static_cast<uint16_t>(geometry.width), static_cast<uint16_t>(geometry.height)};
  }
  std::optional<uint32_t> read(const DamageRect& crop) const { return read_barcode(pixels, geometry, crop); }
  uint32_t pixel(uint32_t x, uint32_t y) const {
    uint32_t word;
    std::memcpy(&word, &pixels[size_t{y} * geometry.stride() + x * 4], 4);
    return word;
  }

  Geometry geometry;
  std::vector<std::byte> pixels;
};

TEST(TestPattern, EveryFrameNumberReadsBack) {
  for (const uint32_t number : {0u, 1u, 2u, 15u, 16u, 255u, 1u << 20, 0x12345678u, ~0u}) {
    const Picture picture(number, 64, 32);
    EXPECT_EQ(picture.read(picture.all()), number);
  }
}

// These bytes are what readers in other languages decode.
TEST(TestPattern, BytesAreTheDocumentedOnes) {
  const Picture picture(0x12345678, 32, 4);  // crc32 0xaf6d87d2, as zlib has it
  for (uint32_t x = 0; x < 32; ++x) {
    for (uint32_t y = 0; y < 4; ++y) {
      const uint32_t blue_shade = (x + 4 * 0x12345678u) / 16 % 16;
      const uint32_t green_shade = (y + 2 * 0x12345678u) / 16 % 16;
      const uint32_t blue = blue_shade << 4 | 8 | x % 8;
      const uint32_t green = green_shade << 4 | (0x12345678u >> (4 * (x % 8)) & 15);
      const uint32_t red = (blue_shade ^ green_shade) << 4 | (0xaf6d87d2u >> (4 * (x % 8)) & 15);
      EXPECT_EQ(picture.pixel(x, y), 0xff000000 | red << 16 | green << 8 | blue) << x << "," << y;
    }
  }
}

TEST(TestPattern, BarcodeSurvivesAnyCrop) {
  const Picture picture(4711, 333, 77);
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    const auto width = static_cast<uint16_t>(8 + random() % 100);
    const auto height = static_cast<uint16_t>(1 + random() % 40);
    const DamageRect crop{static_cast<uint16_t>(random() % (333 - width)),
                          static_cast<uint16_t>(random() % (77 - height)), width, height};
    ASSERT_EQ(picture.read(crop), 4711u);

    // The same, where only the crop is left and its place is unknown.
    Picture cut(0, width, height);
    for (uint32_t y = 0; y < height; ++y) {
      std::memcpy(&cut.pixels[y * cut.geometry.stride()],
                  &picture.pixels[(y + crop.y) * picture.geometry.stride() + crop.x * 4],
                  cut.geometry.stride());
    }
    ASSERT_EQ(cut.read(cut.all()), 4711u);
  }
}

TEST(TestPattern, FramesDifferInEveryRowAndMixedRowsAreDetected) {
  const Picture next(101, 64, 32);
  for (uint32_t row = 0; row < 32; ++row) {
    Picture torn(100, 64, 32);
    const size_t offset = row * torn.geometry.stride();
    ASSERT_NE(std::memcmp(&torn.pixels[offset], &next.pixels[offset], torn.geometry.stride()), 0);
    std::memcpy(&torn.pixels[offset], &next.pixels[offset], torn.geometry.stride());
    EXPECT_EQ(torn.read(torn.all()), std::nullopt) << "row " << row;
  }
}

TEST(TestPattern, TornInsideARowIsDetected) {
  const Picture next(101, 64, 32);
  Picture torn(100, 64, 32);
  std::memcpy(&torn.pixels[17 * 64 * 4 + 40 * 4], &next.pixels[17 * 64 * 4 + 40 * 4], 24 * 4);
  EXPECT_EQ(torn.read(torn.all()), std::nullopt);
}

TEST(TestPattern, WhatIsNoPatternHasNoNumber) {
  Picture picture(7, 64, 32);
  for (const std::byte value : {std::byte{0}, std::byte{0xff}, std::byte{0x80}}) {
    std::fill(picture.pixels.begin(), picture.pixels.end(), value);
    EXPECT_EQ(picture.read(picture.all()), std::nullopt);
  }
}

TEST(TestPattern, CropsThatCannotBeReadAreRefused) {
  const Picture picture(7, 64, 32);
  EXPECT_EQ(picture.read({0, 0, 7, 32}), std::nullopt);
  EXPECT_EQ(picture.read({0, 0, 8, 0}), std::nullopt);
  EXPECT_EQ(picture.read({60, 0, 8, 8}), std::nullopt);
  EXPECT_EQ(picture.read({0, 30, 8, 3}), std::nullopt);
}

TEST(TestPattern, SmallestPicturesArePainted) {
  EXPECT_EQ(Picture(9, 1, 1).pixel(0, 0) >> 24, 0xffu);
  EXPECT_EQ(Picture(9, 8, 1).read({0, 0, 8, 1}), 9u);
}

}  // namespace
}  // namespace framering::daemon
