// Pixel formats, named by the order of the bytes in memory; packed formats by their little-endian word.
#pragma once

#include <cstdint>
#include <string_view>

namespace framering::proto {

// Wire values: append only.
enum class PixelFormat : uint32_t {
  kBgrx8888 = 1,     // bytes B, G, R, undefined
  kRgbx8888 = 2,     // bytes R, G, B, undefined
  kXrgb2101010 = 3,  // little-endian 32-bit word: x:2 R:10 G:10 B:10
  kRgb565 = 4,       // little-endian 16-bit word: R:5 G:6 B:5
  kBgra8888 = 5,     // bytes B, G, R, A; the colours are premultiplied by alpha
};

constexpr bool is_known(PixelFormat format) {
  return format >= PixelFormat::kBgrx8888 && format <= PixelFormat::kBgra8888;
}

constexpr uint32_t bytes_per_pixel(PixelFormat format) {
  return format == PixelFormat::kRgb565 ? 2 : 4;
}

constexpr std::string_view format_name(PixelFormat format) {
  switch (format) {
    case PixelFormat::kBgrx8888:
      return "BGRX8888";
    case PixelFormat::kRgbx8888:
      return "RGBX8888";
    case PixelFormat::kXrgb2101010:
      return "XRGB2101010";
    case PixelFormat::kRgb565:
      return "RGB565";
    case PixelFormat::kBgra8888:
      return "BGRA8888";
  }
  return "unknown";
}

// Bytes between rows: compact, padded to 4 bytes as X servers pad them. Callers keep width <= kMaxDimension.
constexpr uint32_t stride_bytes(uint32_t width, PixelFormat format) {
  return (width * bytes_per_pixel(format) + 3) & ~uint32_t{3};
}

}  // namespace framering::proto
