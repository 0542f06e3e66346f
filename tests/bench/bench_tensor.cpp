// A 4K BGRX frame to RGB CHW float16 on the CPU, at its size and at half of it, beside a memcpy that moves as
// many bytes: it reads and writes half of what the conversion reads and writes together.
#include <cstdio>
#include <cstring>
#include <vector>

#include "client/src/tensor_host.h"
#include "client/src/tensor_plan.h"
#include "tests/bench/samples.h"

namespace {

using framering::DataType;
using framering::PixelFormat;
using framering::Resize;
using framering::TensorSpec;
using framering::bench::Samples;
using framering::bench::time_ns;
using framering::internal::ImageView;

constexpr uint32_t kWidth = 3840, kHeight = 2160;
constexpr size_t kFrameBytes = size_t{kWidth} * kHeight * 4;
constexpr int kRounds = 60;

void measure(const char* name, uint32_t width, uint32_t height) {
  std::vector<std::byte> frame(kFrameBytes), from(kFrameBytes), to(kFrameBytes);
  for (size_t i = 0; i < kFrameBytes; ++i) frame[i] = static_cast<std::byte>(i * 7 + i / 4096);
  TensorSpec spec;
  spec.dtype = DataType::float16;
  spec.width = width;
  spec.height = height;
  spec.resize = Resize::area;
  std::vector<std::byte> tensor(framering::tensor_bytes(spec, kWidth, kHeight));
  const size_t copied = (kFrameBytes + tensor.size()) / 2;
  from.resize(copied);
  to.resize(copied);
  const ImageView view{frame.data(), kWidth, kHeight, kWidth * 4, PixelFormat::bgrx8888};
  const auto plan = framering::internal::plan_tensor({&view, 1}, spec, tensor.data());
  Samples convert, copy;
  for (int i = -2; i < kRounds; ++i) {  // the first two touch the pages
    const uint64_t converted = time_ns([&] { framering::internal::convert_on_host(plan[0]); });
    const uint64_t copying = time_ns([&] { std::memcpy(to.data(), from.data(), copied); });
    if (i < 0) continue;
    convert.add(converted);
    copy.add(copying);
  }
  std::printf("{\"case\": \"%s\", \"tensor_us\": %s, \"memcpy_us\": %s}\n", name, convert.json().c_str(),
              copy.json().c_str());
}

}  // namespace

int main() {
  measure("same", kWidth, kHeight);
  measure("half", kWidth / 2, kHeight / 2);
}
