#include "tests/support/xwd.h"

#include <bit>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>

namespace framering::testing {

namespace {

// Words of the header, which is big-endian.
enum HeaderWord : size_t {
  kHeaderBytes = 0,
  kVersion = 1,
  kDepth = 3,
  kWidth = 4,
  kHeight = 5,
  kByteOrder = 7,
  kBitsPerPixel = 11,
  kBytesPerLine = 12,
  kRedMask = 14,
  kColors = 19,
  kHeaderWords = 25,
};
constexpr uint32_t kXwdVersion = 7;
constexpr size_t kColorBytes = 12;

std::vector<std::byte> output_of(const std::string& command) {
  const std::unique_ptr<FILE, decltype(&pclose)> pipe(popen(command.c_str(), "r"), &pclose);
  if (!pipe) throw std::runtime_error("cannot run " + command);
  std::vector<std::byte> output;
  std::array<std::byte, 65536> buffer;
  while (const size_t got = fread(buffer.data(), 1, buffer.size(), pipe.get())) {
    output.insert(output.end(), buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(got));
  }
  return output;
}

uint32_t big_endian_word(std::span<const std::byte> bytes, size_t index) {
  uint32_t word;
  std::memcpy(&word, bytes.data() + 4 * index, 4);
  return __builtin_bswap32(word);
}

}  // namespace

std::array<uint32_t, 3> XwdImage::rgb(uint32_t x, uint32_t y) const {
  const size_t bytes = bits_per_pixel / 8;
  const std::byte* at = pixels.data() + size_t{y} * bytes_per_line + x * bytes;
  uint32_t pixel = 0;
  for (size_t i = 0; i < bytes; ++i) {
    const size_t shift = 8 * (most_significant_first ? bytes - 1 - i : i);
    pixel |= std::to_integer<uint32_t>(at[i]) << shift;
  }
  std::array<uint32_t, 3> values;
  for (size_t i = 0; i < 3; ++i) values[i] = (pixel & masks[i]) >> std::countr_zero(masks[i]);
  return values;
}

XwdImage grab_xwd(const std::string& display) {
  const auto file = output_of("xwd -root -silent -display " + display);
  if (file.size() < 4 * kHeaderWords || big_endian_word(file, kVersion) != kXwdVersion) {
    throw std::runtime_error("xwd gave no image");
  }
  XwdImage image;
  image.width = big_endian_word(file, kWidth);
  image.height = big_endian_word(file, kHeight);
  image.depth = big_endian_word(file, kDepth);
  image.bits_per_pixel = big_endian_word(file, kBitsPerPixel);
  image.bytes_per_line = big_endian_word(file, kBytesPerLine);
  image.most_significant_first = big_endian_word(file, kByteOrder) != 0;
  for (size_t i = 0; i < 3; ++i) image.masks[i] = big_endian_word(file, kRedMask + i);
  const size_t start = big_endian_word(file, kHeaderBytes) + kColorBytes * big_endian_word(file, kColors);
  if (file.size() < start + size_t{image.bytes_per_line} * image.height) {
    throw std::runtime_error("xwd gave less than an image");
  }
  image.pixels.assign(file.begin() + static_cast<ptrdiff_t>(start), file.end());
  return image;
}

}  // namespace framering::testing
