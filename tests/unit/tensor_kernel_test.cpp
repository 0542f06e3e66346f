// The CUDA kernels as they stand in their file, run thread by thread on the CPU: what each thread of each
// grid reads and writes. tests/gpu runs them on a GPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "tests/support/cuda_emulation.h"
// After the language that it is written in.
#include "client/src/tensor_kernel.cu"
#include "client/src/tensor_plan.h"
#include "tests/support/seed.h"
#include "tests/support/tensor_reference.h"

namespace framering {
namespace {

using internal::ImageView;
using internal::TensorLaunch;
using testing::Picture;
using testing::TensorCase;

struct Kernel {
  std::string_view name;
  void (*function)(TensorArguments);
};
constexpr Kernel kKernels[] = {
    {"framering_tensor_sample", framering_tensor_sample},
    {"framering_tensor_average", framering_tensor_average},
    {"framering_tensor_same", framering_tensor_same},
    {"framering_tensor_halve", framering_tensor_halve},
};

void run(const TensorLaunch& launch, const TensorArguments& arguments) {
  const Kernel* kernel = std::find_if(std::begin(kKernels), std::end(kKernels),
                                      [&](const Kernel& each) { return each.name == launch.kernel; });
  ASSERT_NE(kernel, std::end(kKernels)) << launch.kernel;
  testing::run_kernel(kernel->function, arguments, {launch.grid[0], launch.grid[1], launch.grid[2]},
                      {launch.block[0], launch.block[1], launch.block[2]});
}

struct Result {
  std::vector<double> values;
  std::string kernel;
};

Result convert(std::span<const ImageView> images, const TensorSpec& spec) {
  constexpr uint8_t kUntouched = 0xa5;
  const size_t bytes = tensor_bytes(spec, images[0].width, images[0].height, images.size());
  std::vector<uint8_t> memory(bytes + 256, kUntouched);
  uint8_t* out = memory.data() + 64 - reinterpret_cast<uintptr_t>(memory.data()) % 64;
  Result result;
  for (const TensorArguments& arguments : internal::plan_tensor(images, spec, out)) {
    const TensorLaunch launch = internal::tensor_launch(arguments);
    result.kernel = launch.kernel;
    run(launch, arguments);
  }
  const auto untouched = [](uint8_t byte) { return byte == kUntouched; };
  EXPECT_TRUE(std::all_of(memory.data(), out, untouched)) << "written before the result";
  EXPECT_TRUE(std::all_of(out + bytes, memory.data() + memory.size(), untouched))
      << "written after the result";
  result.values = testing::read_tensor(out, spec.dtype, bytes / internal::bytes_per_value(spec.dtype));
  return result;
}

Result convert(const Picture& picture, const TensorSpec& spec) {
  const ImageView view = picture.view();
  return convert({&view, 1}, spec);
}

TEST(TensorKernelTest, EveryKernelGivesTheReferencesValues) {
  std::set<std::string> ran;
  testing::for_each_tensor_case(testing::random_seed(), [&](const TensorCase& each) {
    if (::testing::Test::HasFailure()) return;
    const Result result = convert(each.picture, each.spec);
    ran.insert(result.kernel);
    const std::string difference =
        testing::difference(result.values, testing::reference_tensor(each.picture, each.spec), each.spec);
    EXPECT_EQ(difference, "") << result.kernel << " " << name(each.picture.format()) << " "
                              << testing::text(each.spec);
  });
  EXPECT_EQ(ran.size(), std::size(kKernels));
}

TEST(TensorKernelTest, ABatchIsOneLaunch) {
  std::mt19937 random(testing::random_seed());
  std::vector<Picture> pictures;
  std::vector<ImageView> views;
  for (int i = 0; i < 5; ++i) pictures.emplace_back(64, 12, PixelFormat::bgrx8888, 0, random);
  for (const Picture& picture : pictures) views.push_back(picture.view());
  for (const uint32_t width : {0u, 32u, 10u, 5u}) {
    TensorSpec spec;
    spec.width = width;
    spec.height = width == 32 ? 6 : 0;
    spec.resize = Resize::area;
    std::vector<double> expected;
    for (const Picture& picture : pictures) {
      const std::vector<double> one = convert(picture, spec).values;
      expected.insert(expected.end(), one.begin(), one.end());
    }
    std::vector<float> out(expected.size());
    EXPECT_EQ(internal::plan_tensor(views, spec, out.data()).size(), 1u);
    EXPECT_EQ(convert(views, spec).values, expected);
  }
}

std::string kernel_for(const TensorSpec& spec, const Rect& region = {0, 0, 3840, 2160},
                       PixelFormat format = PixelFormat::bgrx8888, uint32_t frame_width = 3840) {
  TensorSpec with = spec;
  with.region = region;
  alignas(64) static std::byte out[64];
  const ImageView view{out, frame_width, 2160, frame_width * bytes_per_pixel(format), format};
  return internal::tensor_launch(internal::plan_tensor({&view, 1}, with, out)[0]).kernel;
}

TEST(TensorKernelTest, TheVectorKernelsRunWhereTheyCan) {
  TensorSpec same, half, thumbnail;
  half.width = 1920;
  half.height = 1080;
  thumbnail.width = thumbnail.height = 224;
  for (const DataType type : {DataType::uint8, DataType::float16, DataType::bfloat16, DataType::float32}) {
    same.dtype = half.dtype = type;
    EXPECT_EQ(kernel_for(same), "framering_tensor_same");
    EXPECT_EQ(kernel_for(same, {4, 1, 404, 3}), "framering_tensor_same");
    EXPECT_EQ(kernel_for(same, {3, 1, 404, 3}), "framering_tensor_sample") << "unaligned pixels";
    EXPECT_EQ(kernel_for(same, {4, 1, 403, 3}), "framering_tensor_sample") << "unaligned rows of the result";
    EXPECT_EQ(kernel_for(same, {0, 0, 400, 3}, PixelFormat::bgrx8888, 1366), "framering_tensor_sample")
        << "unaligned rows of the frame";
    for (const Resize resize : {Resize::bilinear, Resize::area}) {
      half.resize = resize;
      EXPECT_EQ(kernel_for(half), "framering_tensor_halve");
    }
    half.resize = Resize::nearest;
    EXPECT_EQ(kernel_for(half), "framering_tensor_sample");
  }
  EXPECT_EQ(kernel_for(same, {0, 0, 1920, 1080}, PixelFormat::rgb565), "framering_tensor_sample");
  EXPECT_EQ(kernel_for(thumbnail), "framering_tensor_sample");
  thumbnail.resize = Resize::area;
  EXPECT_EQ(kernel_for(thumbnail), "framering_tensor_average");
}

// 65535 blocks are the most in y and z.
TEST(TensorKernelTest, TheLargestGridIsOneThatCudaTakes) {
  std::vector<ImageView> views(64, ImageView{nullptr, 32767, 32767, 32767 * 4, PixelFormat::bgrx8888});
  alignas(64) std::byte out[64];
  for (const uint32_t size : {1u, 4000u, 32767u}) {
    for (const Resize resize : {Resize::nearest, Resize::area}) {
      TensorSpec spec;
      spec.width = spec.height = size;
      spec.resize = resize;
      const TensorLaunch launch = internal::tensor_launch(internal::plan_tensor(views, spec, out)[0]);
      EXPECT_LE(launch.grid[1], 65535u);
      EXPECT_LE(launch.grid[2], 65535u);
      EXPECT_LE(launch.block[0] * launch.block[1], 256u) << "as in __launch_bounds__";
    }
  }
}

}  // namespace
}  // namespace framering
