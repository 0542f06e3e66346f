#include "client/cli/png.h"

#include <png.h>

#include <algorithm>
#include <string>

namespace framering::cli {

namespace {

// PNG's colours are as they were before alpha.
constexpr unsigned char divided(uint32_t value, uint32_t alpha) {
  return alpha == 0 ? 0 : static_cast<unsigned char>(std::min((value * 255 + alpha / 2) / alpha, 255u));
}

std::vector<unsigned char> rgb_of(const Frame& frame) {
  TensorSpec spec;
  spec.layout = Layout::hwc;
  spec.dtype = DataType::uint8;
  const Frame* const frames[] = {&frame};
  const Tensor tensor = to_tensor(frames, spec);
  std::vector<unsigned char> pixels(tensor.size_bytes());
  copy_to_host(tensor, pixels.data());
  return pixels;
}

std::vector<unsigned char> rgba_of(const Frame& frame) {
  std::vector<std::byte> copy;
  if (!frame.data()) {
    copy.resize(frame.size_bytes());
    frame.copy_to_host(copy.data());
  }
  const auto* from = reinterpret_cast<const unsigned char*>(frame.data() ? frame.data() : copy.data());
  std::vector<unsigned char> pixels(size_t{frame.width()} * frame.height() * 4);
  for (unsigned char* to = pixels.data(); to != pixels.data() + pixels.size(); to += 4, from += 4) {
    for (int i = 0; i < 3; ++i) to[i] = divided(from[2 - i], from[3]);
    to[3] = from[3];
  }
  return pixels;
}

}  // namespace

Picture to_picture(const Frame& frame) {
  const bool alpha = frame.format() == PixelFormat::bgra8888;
  return {frame.width(), frame.height(), alpha, alpha ? rgba_of(frame) : rgb_of(frame)};
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
