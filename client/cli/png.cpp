#include "client/cli/png.h"

#include <png.h>

#include <algorithm>
#include <string>

namespace framering::cli {

namespace {

struct Color {
  unsigned char r, g, b, a = 255;
};

// The whole range of the narrow channel becomes the whole range of 8 bits.
constexpr unsigned char widen5(uint32_t value) {
  return static_cast<unsigned char>(value << 3 | value >> 2);
}
constexpr unsigned char widen6(uint32_t value) {
  return static_cast<unsigned char>(value << 2 | value >> 4);
}

// PNG's colours are as they were before alpha.
constexpr unsigned char divided(uint32_t value, uint32_t alpha) {
  return alpha == 0 ? 0 : static_cast<unsigned char>(std::min((value * 255 + alpha / 2) / alpha, 255u));
}

Color pixel(PixelFormat format, const unsigned char* bytes) {
  switch (format) {
    case PixelFormat::bgrx8888:
      return {bytes[2], bytes[1], bytes[0]};
    case PixelFormat::bgra8888: {
      const uint32_t alpha = bytes[3];
      return {divided(bytes[2], alpha), divided(bytes[1], alpha), divided(bytes[0], alpha), bytes[3]};
    }
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

Picture to_picture(const Frame& frame) {
  Picture picture{frame.width(), frame.height(), frame.format() == PixelFormat::bgra8888, {}};
  const size_t channels = picture.alpha ? 4 : 3;
  picture.pixels.resize(size_t{frame.width()} * frame.height() * channels);
  std::vector<std::byte> copy;
  if (!frame.data()) {
    copy.resize(frame.size_bytes());
    frame.copy_to_host(copy.data());
  }
  const auto* pixels = reinterpret_cast<const unsigned char*>(frame.data() ? frame.data() : copy.data());
  const uint32_t step = bytes_per_pixel(frame.format());
  unsigned char* to = picture.pixels.data();
  for (uint32_t y = 0; y < frame.height(); ++y) {
    const auto* row = pixels + size_t{y} * frame.stride();
    for (uint32_t x = 0; x < frame.width(); ++x, to += channels) {
      const Color color = pixel(frame.format(), row + size_t{x} * step);
      to[0] = color.r, to[1] = color.g, to[2] = color.b;
      if (picture.alpha) to[3] = color.a;
    }
  }
  return picture;
}

std::vector<unsigned char> encode_png(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = picture.width;
  image.height = picture.height;
  image.format = picture.alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<unsigned char> png(bytes);
  if (!png_image_write_to_memory(&image, png.data(), &bytes, 0, picture.pixels.data(), 0, nullptr)) {
    throw Error(ErrorCode::internal, std::string("cannot make a PNG picture: ") + image.message);
  }
  png.resize(bytes);
  return png;
}

}  // namespace framering::cli
