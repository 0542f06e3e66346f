// The root window as the program xwd dumps it: a grab that shares no code with ours.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace framering::testing {

struct XwdImage {
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t depth = 0;
  uint32_t bits_per_pixel = 0;
  uint32_t bytes_per_line = 0;
  bool most_significant_first = false;
  std::array<uint32_t, 3> masks{};  // red, green, blue
  std::vector<std::byte> pixels;

  // Each in the server's own number of bits.
  std::array<uint32_t, 3> rgb(uint32_t x, uint32_t y) const;
};

// Throws if xwd fails or dumps what is no XWD file of version 7.
XwdImage grab_xwd(const std::string& display);

}  // namespace framering::testing
