// What is in a frame, wherever its memory is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daemon/capture/test_pattern.h"
#include "daemon/frame.h"
#include "framering/frame.h"

namespace framering::testing {

inline std::vector<std::byte> pixels_of(const Frame& frame) {
  std::vector<std::byte> pixels(frame.size_bytes());
  frame.copy_to_host(pixels.data());
  return pixels;
}

inline std::optional<uint32_t> barcode_in(std::span<const std::byte> pixels, uint32_t width,
                                          uint32_t height) {
  return daemon::read_barcode(pixels, {width, height, daemon::PixelFormat::kBgrx8888},
                              {0, 0, static_cast<uint16_t>(width), static_cast<uint16_t>(height)});
}

// The test source's number of the frame, if every pixel is of it.
inline std::optional<uint32_t> barcode_of(const Frame& frame) {
  return barcode_in(pixels_of(frame), frame.width(), frame.height());
}

}  // namespace framering::testing
