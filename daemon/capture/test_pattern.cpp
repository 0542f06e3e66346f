#include "daemon/capture/test_pattern.h"

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <cstring>
#include <utility>

namespace framering::daemon {

namespace {

constexpr uint32_t kBarcodeMask = 0x000f0f0f;  // the low nibbles of R, G, B

// The barcode's part of each of the pixels of one period.
std::array<uint32_t, kBarcodePixels> barcode(uint32_t frame_number) {
  std::array<uint8_t, 4> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(frame_number >> (8 * i));
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  std::array<uint32_t, kBarcodePixels> pixels;
  for (uint32_t i = 0; i < kBarcodePixels; ++i) {
    const uint32_t number_nibble = frame_number >> (4 * i) & 15;
    const uint32_t check_nibble = crc.checksum() >> (4 * i) & 15;
    pixels[i] = check_nibble << 16 | number_nibble << 8 | (8 + i);
  }
  return pixels;
}

// What moves to the left shades blue, what moves up shades green; red is where they differ.
uint32_t column_shade(uint32_t frame_number, uint32_t x) {
  const uint32_t shade = (x + 4 * frame_number) >> 4 & 15;
  return shade << 20 | shade << 4;
}
uint32_t row_shade(uint32_t frame_number, uint32_t y) {
  const uint32_t shade = (y + 2 * frame_number) >> 4 & 15;
  return shade << 20 | shade << 12;
}

}  // namespace

void paint_test_pattern(uint32_t frame_number, const Geometry& geometry, std::span<std::byte> pixels) {
  const auto code = barcode(frame_number);
  const uint32_t width = geometry.width;
  auto* const first = reinterpret_cast<uint32_t*>(pixels.data());
  uint32_t shade = row_shade(frame_number, 0);
  for (uint32_t x = 0; x < width; ++x) {
    first[x] = 0xff000000 | code[x % kBarcodePixels] | (column_shade(frame_number, x) ^ shade);
  }
  // 16 rows in a row are the same; others differ by a constant.
  uint32_t* row = first;
  for (uint32_t y = 1; y < geometry.height; ++y, row += width) {
    const uint32_t delta = std::exchange(shade, row_shade(frame_number, y)) ^ shade;
    if (delta == 0) {
      std::memcpy(row + width, row, geometry.stride());
    } else {
      std::transform(row, row + width, row + width, [delta](uint32_t pixel) { return pixel ^ delta; });
    }
  }
}

std::optional<uint32_t> read_barcode(std::span<const std::byte> pixels, const Geometry& geometry,
                                     const DamageRect& crop) {
  if (crop.width < kBarcodePixels || crop.height == 0) return std::nullopt;
  if (uint32_t{crop.x} + crop.width > geometry.width) return std::nullopt;
  if (uint32_t{crop.y} + crop.height > geometry.height) return std::nullopt;
  using Period = std::array<uint32_t, kBarcodePixels>;
  const std::byte* const first = pixels.data() + crop.y * size_t{geometry.stride()} + size_t{4} * crop.x;
  const auto period_at = [&](uint32_t x, uint32_t y) {
    Period period;
    std::memcpy(period.data(), first + y * size_t{geometry.stride()} + size_t{4} * x, sizeof period);
    return period;
  };

  const Period start = period_at(0, 0);
  const uint32_t phase = start[0] & 7;
  uint32_t frame_number = 0;
  for (uint32_t i = 0; i < kBarcodePixels; ++i) {
    frame_number |= (start[i] >> 8 & 15) << (4 * ((phase + i) % kBarcodePixels));
  }
  Period expected = barcode(frame_number);
  std::rotate(expected.begin(), expected.begin() + phase, expected.end());

  Period wrong{};
  const auto check = [&](const Period& period, const Period& code) {
    for (uint32_t i = 0; i < kBarcodePixels; ++i) wrong[i] |= period[i] ^ code[i];
  };
  // The last period of a row overlaps the one before where the width is no multiple of a period.
  const uint32_t last = crop.width - kBarcodePixels;
  Period expected_last = expected;
  std::rotate(expected_last.begin(), expected_last.begin() + last % kBarcodePixels, expected_last.end());
  for (uint32_t y = 0; y < crop.height; ++y) {
    for (uint32_t x = 0; x < last; x += kBarcodePixels) check(period_at(x, y), expected);
    check(period_at(last, y), expected_last);
  }
  for (const uint32_t bits : wrong) {
    if (bits & kBarcodeMask) return std::nullopt;
  }
  return frame_number;
}

}  // namespace framering::daemon
