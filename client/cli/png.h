// Frames as PNG pictures.
#pragma once

#include <cstdint>
#include <vector>

#include "framering/framering.h"

namespace framering::cli {

// 8 bits a channel, to the nearest where the frame has more or fewer; rows without padding.
struct Picture {
  uint32_t width = 0;
  uint32_t height = 0;
  bool alpha = false;  // R, G, B, A, the colours not multiplied by alpha; else R, G, B
  std::vector<unsigned char> pixels;
};

Picture to_picture(const Frame& frame);

// The bytes of a PNG file.
std::vector<unsigned char> encode_png(const Picture& picture);

}  // namespace framering::cli
