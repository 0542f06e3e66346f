#include "python-client/src/bindings/pixels.h"

#include <functional>
#include <numeric>

namespace framering::python {

namespace {

constexpr ElementType kUint8{1, "uint8", "|u1", "B"};
constexpr ElementType kUint16{2, "uint16", "<u2", "H"};
constexpr ElementType kUint32{4, "uint32", "<u4", "I"};

const ElementType& element_of(PixelFormat format) {
  switch (format) {
    case PixelFormat::xrgb2101010:
      return kUint32;
    case PixelFormat::rgb565:
      return kUint16;
    case PixelFormat::bgrx8888:
    case PixelFormat::rgbx8888:
    case PixelFormat::bgra8888:
      break;
  }
  return kUint8;
}

}  // namespace

int64_t PixelLayout::byte_count() const {
  return std::accumulate(shape().begin(), shape().end(), int64_t{element->bytes}, std::multiplies<>());
}

PixelLayout pixel_layout(PixelFormat format, uint32_t width, uint32_t height, uint32_t stride) {
  const ElementType& element = element_of(format);
  const int64_t pixel_bytes = bytes_per_pixel(format);
  const int64_t channels = pixel_bytes / element.bytes;
  return {.element = &element,
          .dimensions = static_cast<uint8_t>(channels > 1 ? 3 : 2),
          .shape_values = {height, width, channels},
          .stride_values = {stride, pixel_bytes, element.bytes},
          .contiguous = stride == width * pixel_bytes};
}

}  // namespace framering::python
