#include "daemon/cursor.h"

#include <algorithm>
#include <cstring>

namespace framering::daemon {

namespace {

// a * b / 255, rounded; exact for all bytes.
constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  const uint32_t product = a * b + 0x80;
  return (product + (product >> 8)) >> 8;
}

// One channel of a premultiplied source over what is there.
constexpr uint32_t over(uint32_t source, uint32_t alpha, uint32_t below) {
  return std::min<uint32_t>(source + multiply(below, 255 - alpha), 255);
}

struct Rgb {
  uint32_t red, green, blue;  // 0 to 255
};

Rgb compose(uint32_t argb, const Rgb& below) {
  const uint32_t alpha = argb >> 24;
  return {over(argb >> 16 & 0xff, alpha, below.red), over(argb >> 8 & 0xff, alpha, below.green),
          over(argb & 0xff, alpha, below.blue)};
}

// A pixel as it is in memory, little-endian, and back.
Rgb unpack(uint32_t pixel, PixelFormat format) {
  switch (format) {
    case PixelFormat::kRgbx8888:
      return {pixel & 0xff, pixel >> 8 & 0xff, pixel >> 16 & 0xff};
    case PixelFormat::kXrgb2101010:
      return {pixel >> 22 & 0xff, pixel >> 12 & 0xff, pixel >> 2 & 0xff};
    case PixelFormat::kRgb565: {
      const uint32_t red = pixel >> 11, green = pixel >> 5 & 63, blue = pixel & 31;
      return {red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2};
    }
    default:
      return {pixel >> 16 & 0xff, pixel >> 8 & 0xff, pixel & 0xff};
  }
}

// `old` is the pixel that is painted over, `alpha` that of the paint.
uint32_t pack(const Rgb& color, uint32_t alpha, uint32_t old, PixelFormat format) {
  switch (format) {
    case PixelFormat::kRgbx8888:
      return (old & 0xff000000) | color.blue << 16 | color.green << 8 | color.red;
    case PixelFormat::kXrgb2101010: {
      const auto wide = [](uint32_t channel) { return channel << 2 | channel >> 6; };
      return (old & 0xc0000000) | wide(color.red) << 20 | wide(color.green) << 10 | wide(color.blue);
    }
    case PixelFormat::kRgb565:
      return (color.red >> 3) << 11 | (color.green >> 2) << 5 | color.blue >> 3;
    case PixelFormat::kBgra8888:
      return over(alpha, alpha, old >> 24) << 24 | color.red << 16 | color.green << 8 | color.blue;
    default:
      return (old & 0xff000000) | color.red << 16 | color.green << 8 | color.blue;
  }
}

}  // namespace

bool looks_the_same(const Cursor& a, const Cursor& b) {
  if (!a.visible && !b.visible) return true;
  return a.visible == b.visible && a.x == b.x && a.y == b.y && a.picture->serial == b.picture->serial;
}

DamageRect cursor_rect(const Cursor& cursor, const Geometry& geometry) {
  if (!cursor.visible) return {};
  const CursorPicture& picture = *cursor.picture;
  const auto clip = [](int64_t at, uint32_t end) { return std::clamp<int64_t>(at, 0, end); };
  const int64_t x = int64_t{cursor.x} - picture.hot_x;
  const int64_t y = int64_t{cursor.y} - picture.hot_y;
  const int64_t left = clip(x, geometry.width), right = clip(x + picture.width, geometry.width);
  const int64_t top = clip(y, geometry.height), bottom = clip(y + picture.height, geometry.height);
  if (left == right || top == bottom) return {};
  return {static_cast<uint16_t>(left), static_cast<uint16_t>(top), static_cast<uint16_t>(right - left),
          static_cast<uint16_t>(bottom - top)};
}

void paint_cursor(const Cursor& cursor, const Geometry& geometry, std::span<std::byte> pixels) {
  const DamageRect rect = cursor_rect(cursor, geometry);
  const CursorPicture& picture = *cursor.picture;
  const uint32_t pixel_bytes = proto::bytes_per_pixel(geometry.format);
  for (uint32_t y = rect.y; y < uint32_t{rect.y} + rect.height; ++y) {
    const auto picture_y = static_cast<uint32_t>(static_cast<int64_t>(y) - cursor.y + picture.hot_y);
    for (uint32_t x = rect.x; x < uint32_t{rect.x} + rect.width; ++x) {
      const auto picture_x = static_cast<uint32_t>(static_cast<int64_t>(x) - cursor.x + picture.hot_x);
      const uint32_t argb = picture.argb[size_t{picture_y} * picture.width + picture_x];
      if (argb == 0) continue;  // what lies below stays as it is, in all of its bits
      std::byte* const at = pixels.data() + size_t{y} * geometry.stride() + size_t{x} * pixel_bytes;
      uint32_t pixel = 0;
      std::memcpy(&pixel, at, pixel_bytes);
      pixel = pack(compose(argb, unpack(pixel, geometry.format)), argb >> 24, pixel, geometry.format);
      std::memcpy(at, &pixel, pixel_bytes);
    }
  }
}

CursorPicture cut_to_bound(const CursorPicture& picture) {
  const auto kept = [](uint32_t size) { return std::min(size, proto::kMaxCursorSize); };
  // The first row or column that is kept: the hot spot comes to lie in the middle where there is enough on
  // both sides.
  const auto first = [&](uint32_t size, int32_t hot) {
    const int32_t middle = hot - static_cast<int32_t>(kept(size) / 2);
    return static_cast<uint32_t>(std::clamp<int32_t>(middle, 0, static_cast<int32_t>(size - kept(size))));
  };
  const uint32_t left = first(picture.width, picture.hot_x);
  const uint32_t top = first(picture.height, picture.hot_y);
  CursorPicture cut{picture.serial, kept(picture.width), kept(picture.height),
                    picture.hot_x - static_cast<int32_t>(left), picture.hot_y - static_cast<int32_t>(top)};
  cut.argb.reserve(size_t{cut.width} * cut.height);
  for (uint32_t y = top; y < top + cut.height; ++y) {
    const auto row = picture.argb.begin() + static_cast<ptrdiff_t>(size_t{y} * picture.width + left);
    cut.argb.insert(cut.argb.end(), row, row + cut.width);
  }
  return cut;
}

}  // namespace framering::daemon
