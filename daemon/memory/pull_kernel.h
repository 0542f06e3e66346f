// What the kernel framering_pull is given and what each of its threads does, for nvcc and for every other
// compiler.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define FRAMERING_DEVICE __host__ __device__
#else
#define FRAMERING_DEVICE
#endif

namespace framering::daemon {

inline constexpr uint32_t kMaxPullRects = 64;

struct PullRect {
  uint16_t x, y, width, height;
};

// Copies the rectangles of one picture over those of another. Both begin at a multiple of 16 bytes and end
// before one.
struct PullArguments {
  const uint8_t* source;  // host memory, as the device sees it
  uint8_t* target;
  uint32_t stride;  // of both
  uint32_t bytes_per_pixel;
  uint32_t rect_count;
  PullRect rects[kMaxPullRects];
};

// The bytes that one thread moves at once.
struct alignas(16) PullUnit {
  uint64_t halves[2];
};
inline constexpr uint32_t kPullUnitBytes = sizeof(PullUnit);

// How many units a row of the rectangle touches at most, wherever it begins.
FRAMERING_DEVICE inline uint32_t pull_units_per_row(const PullArguments& arguments, const PullRect& rect) {
  const uint32_t bytes = rect.width * arguments.bytes_per_pixel;
  return (bytes + kPullUnitBytes - 1) / kPullUnitBytes + 1;
}

// Copies one unit. Those at the ends of a row hold neighboring pixels too: the source shows the newest
// picture everywhere, so they are right.
FRAMERING_DEVICE inline void pull_unit(const PullArguments& arguments, const PullRect& rect, uint32_t row,
                                       uint32_t unit) {
  const uint64_t pixel = arguments.bytes_per_pixel;
  const uint64_t begin = uint64_t{rect.y + row} * arguments.stride + rect.x * pixel;
  const uint64_t end = begin + rect.width * pixel;
  const uint64_t index = begin / kPullUnitBytes + unit;
  if (index * kPullUnitBytes >= end) return;
  reinterpret_cast<PullUnit*>(arguments.target)[index] =
      reinterpret_cast<const PullUnit*>(arguments.source)[index];
}

}  // namespace framering::daemon
