// Part of the public API. The choices of a TensorSpec; apart from tensor.h because CUDA code includes them
// too.
#pragma once

#include <cstdint>

namespace framering {

enum class Channels : uint32_t {
  rgb,
  bgr,
  gray,  // 0.299 R + 0.587 G + 0.114 B, the luma of Rec. 601
};

enum class Layout : uint32_t {
  hwc,  // height x width x channels
  chw,  // channels x height x width
};

enum class DataType : uint32_t { uint8, float16, bfloat16, float32 };

// How the region becomes another size. A region that has the size already is left alone by all of them.
enum class Resize : uint32_t {
  // The pixel under the output pixel's center, floor((i + 0.5) * in / out): torch's "nearest-exact".
  nearest,
  // Between the 4 pixels around that center, edges repeated, without antialiasing: torch's "bilinear" with
  // align_corners=False.
  bilinear,
  // The exact mean over the rectangle that the output pixel covers, parts of pixels included: torch's "area"
  // where the ratio is whole.
  area,
};

}  // namespace framering
