#include "client/cli/png.h"

#include <png.h>

#include <string>

namespace framering::cli {

namespace {

struct Rgb {
  unsigned char r, g, b;
};

// The whole range of the narrow channel becomes the whole range of 8 bits.
constexpr unsigned char widen5(uint32_t value) {
  return static_cast<unsigned char>(value << 3 | value >> 2);
}
constexpr unsigned char widen6(uint32_t value) {
  return static_cast<unsigned char>(value << 2 | value >> 4);
}

Rgb pixel(PixelFormat format, const unsigned char* bytes) {
  switch (format) {
    case PixelFormat::bgrx8888:
      return {bytes[2], bytes[1], bytes[0]};
    case PixelFormat::rgbx8888:
      return {bytes[0], bytes[1], bytes[2]};
    case PixelFormat::xrgb2101010: {
      const uint32_t word = bytes[0] | bytes[1] << 8 | bytes[2] << 16 | uint32_t{bytes[3]} << 24;
      return {static_cast<unsigned char>(word >> 22), static_cast<unsigned char>(word >> 12),
              static_cast<unsigned char>(word >> 2)};
    }
    case PixelFormat::rgb565: {
      const uint32_t word = bytes[0] | bytes[1] << 8;
      return {widen5(word >> 11), widen6(word >> 5 & 0x3f), widen5(word & 0x1f)};
    }
  }
  return {};
}

}  // namespace

std::vector<unsigned char> to_rgb(const Frame& frame) {
  std::vector<unsigned char> rgb(size_t{frame.width()} * frame.height() * 3);
  std::vector<std::byte> copy;
  if (!frame.data()) {
    copy.resize(frame.size_bytes());
    frame.copy_to_host(copy.data());
  }
  const auto* pixels = reinterpret_cast<const unsigned char*>(frame.data() ? frame.data() : copy.data());
  const uint32_t step = bytes_per_pixel(frame.format());
  unsigned char* to = rgb.data();
  for (uint32_t y = 0; y < frame.height(); ++y) {
    const auto* row = pixels + size_t{y} * frame.stride();
    for (uint32_t x = 0; x < frame.width(); ++x, to += 3) {
      const Rgb color = pixel(frame.format(), row + size_t{x} * step);
      to[0] = color.r, to[1] = color.g, to[2] = color.b;
    }
  }
  return rgb;
}

std::vector<unsigned char> encode_png(const std::vector<unsigned char>& rgb, uint32_t width,
                                      uint32_t height) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<unsigned char> png(bytes);
  if (!png_image_write_to_memory(&image, png.data(), &bytes, 0, rgb.data(), 0, nullptr)) {
    throw Error(ErrorCode::internal, std::string("cannot make a PNG picture: ") + image.message);
  }
  png.resize(bytes);
  return png;
}

}  // namespace framering::cli
