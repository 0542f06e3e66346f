// Frames as PNG pictures.
#pragma once

#include <cstdint>
#include <vector>

#include "framering/framering.h"

namespace framering::cli {

// 8-bit RGB, three bytes a pixel, rows without padding; deeper channels lose their low bits.
std::vector<unsigned char> to_rgb(const Frame& frame);

// The bytes of a PNG file.
std::vector<unsigned char> encode_png(const std::vector<unsigned char>& rgb, uint32_t width, uint32_t height);

}  // namespace framering::cli
