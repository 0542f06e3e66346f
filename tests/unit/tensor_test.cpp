// Frames to tensors on the CPU, without a daemon.
#include "framering/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "client/src/tensor_host.h"
#include "framering/error.h"
#include "tests/support/seed.h"
#include "tests/support/tensor_reference.h"

namespace framering {
namespace {

using internal::ImageView;
using internal::TensorArguments;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Picture;
using testing::TensorCase;

using Convert = void (*)(const TensorArguments&);

// One result, surrounded by bytes that must stay.
std::vector<double> convert(std::span<const ImageView> images, const TensorSpec& spec,
                            Convert convert = internal::convert_on_host) {
  constexpr size_t kGuard = 64;
  constexpr std::byte kUntouched{0xa5};
  const size_t bytes = tensor_bytes(spec, images[0].width, images[0].height, images.size());
  std::vector<std::byte> memory(bytes + 2 * kGuard, kUntouched);
  for (const TensorArguments& arguments : internal::plan_tensor(images, spec, memory.data() + kGuard))
    convert(arguments);
  for (size_t i = 0; i < kGuard; ++i) {
    EXPECT_EQ(memory[i], kUntouched) << kGuard - i << " bytes before the result";
    EXPECT_EQ(memory[kGuard + bytes + i], kUntouched) << i << " bytes after the result";
  }
  return testing::read_tensor(memory.data() + kGuard, spec.dtype,
                              bytes / internal::bytes_per_value(spec.dtype));
}

std::vector<double> convert(const Picture& picture, const TensorSpec& spec,
                            Convert with = internal::convert_on_host) {
  const ImageView view = picture.view();
  return convert({&view, 1}, spec, with);
}

void expect_reference(Convert with) {
  testing::for_each_tensor_case(testing::random_seed(), [&](const TensorCase& each) {
    if (::testing::Test::HasFailure()) return;
    const std::string difference =
        testing::difference(convert(each.picture, each.spec, with),
                            testing::reference_tensor(each.picture, each.spec), each.spec);
    EXPECT_EQ(difference, "") << name(each.picture.format()) << " " << testing::text(each.spec);
  });
}

TEST(TensorTest, TheFastPathGivesTheReferencesValues) {
  expect_reference(internal::convert_on_host);
}

TEST(TensorTest, ProcessorsWithoutAvx2GiveTheReferencesValues) {
  expect_reference(internal::convert_portably);
}

// What stands for the GPU where there is none.
TEST(TensorTest, TheKernelsArithmeticGivesTheReferencesValues) {
  expect_reference(internal::tensor_convert);
}

TEST(TensorTest, AConstantPictureStaysConstantUnderEveryResize) {
  const Picture picture = Picture::constant(33, 21, PixelFormat::bgrx8888, 0xff80a3c7);
  for (const Resize resize : {Resize::nearest, Resize::bilinear, Resize::area}) {
    for (const auto& [width, height] : {std::pair{33u, 21u}, {11u, 7u}, {32u, 20u}, {7u, 40u}, {100u, 99u}}) {
      TensorSpec spec;
      spec.layout = Layout::hwc;
      spec.width = width;
      spec.height = height;
      spec.resize = resize;
      for (const DataType type : {DataType::uint8, DataType::float32}) {
        spec.dtype = type;
        spec.scale = 1;
        const std::vector<double> values = convert(picture, spec);
        for (size_t i = 0; i < values.size(); ++i) {
          const double expected = std::array{0x80, 0xa3, 0xc7}[i % 3];
          ASSERT_NEAR(values[i], expected, type == DataType::uint8 ? 0 : 1e-4) << testing::text(spec);
        }
      }
    }
  }
}

TEST(TensorTest, ARegionsOwnSizeIsNoResize) {
  std::mt19937 random(testing::random_seed());
  const Picture picture(40, 30, PixelFormat::bgrx8888, 0, random);
  TensorSpec plain;
  plain.region = Rect{7, 3, 21, 17};
  for (const Resize resize : {Resize::nearest, Resize::bilinear, Resize::area}) {
    TensorSpec named = plain;
    named.width = 21;
    named.height = 17;
    named.resize = resize;
    EXPECT_EQ(convert(picture, named), convert(picture, plain)) << testing::text(named);
  }
}

TEST(TensorTest, EightBitsComeOutAsTheyWentIn) {
  std::mt19937 random(testing::random_seed());
  const Picture picture(333, 7, PixelFormat::bgrx8888, 0, random);
  TensorSpec spec;
  spec.layout = Layout::hwc;
  spec.dtype = DataType::uint8;
  const std::vector<double> values = convert(picture, spec);
  for (uint32_t y = 0; y < 7; ++y) {
    for (uint32_t x = 0; x < 333; ++x) {
      const std::array<double, 3> rgb = picture.rgb(x, y);
      for (uint32_t c = 0; c < 3; ++c) ASSERT_EQ(values[(size_t{y} * 333 + x) * 3 + c], rgb[c]);
    }
  }
}

TEST(TensorTest, WhiteIsExactlyOneAndBlackZero) {
  for (const PixelFormat format :
       {PixelFormat::bgrx8888, PixelFormat::rgbx8888, PixelFormat::xrgb2101010, PixelFormat::rgb565}) {
    for (const DataType type : {DataType::float16, DataType::bfloat16, DataType::float32}) {
      for (const bool resized : {false, true}) {
        TensorSpec spec;
        spec.dtype = type;
        if (resized) spec.width = spec.height = 3;
        const double tolerance = type == DataType::float32 && format != PixelFormat::bgrx8888 ? 1e-6 : 0;
        for (const double value : convert(Picture::constant(6, 6, format, 0xffffffff), spec))
          ASSERT_NEAR(value, 1, tolerance) << name(format) << " " << testing::text(spec);
        for (const double value : convert(Picture::constant(6, 6, format, 0), spec)) ASSERT_EQ(value, 0);
      }
    }
  }
}

// The mean of a, a, b, b at half the size is exact, and .5 goes to the even neighbor.
TEST(TensorTest, UInt8RoundsHalvesToEven) {
  TensorSpec spec;
  spec.layout = Layout::hwc;
  spec.dtype = DataType::uint8;
  spec.width = spec.height = 1;
  spec.resize = Resize::area;
  for (uint32_t low = 0; low < 255; ++low) {
    uint32_t pixels[2][2] = {{low * 0x10101, (low + 1) * 0x10101}, {(low + 1) * 0x10101, low * 0x10101}};
    const ImageView view{reinterpret_cast<const std::byte*>(pixels), 2, 2, 8, PixelFormat::bgrx8888};
    for (const Convert with :
         {internal::convert_on_host, internal::convert_portably, internal::tensor_convert}) {
      for (const double value : convert({&view, 1}, spec, with))
        ASSERT_EQ(value, low % 2 == 0 ? low : low + 1) << "between " << low << " and the next";
    }
  }
}

TEST(TensorTest, UInt8IsClamped) {
  const Picture picture = Picture::constant(40, 1, PixelFormat::bgrx8888, 0x006480c8);
  TensorSpec spec;
  spec.dtype = DataType::uint8;
  spec.mean = {150, 128, 0};
  spec.std = {1, 1, 0.01};
  for (const Convert with :
       {internal::convert_on_host, internal::convert_portably, internal::tensor_convert}) {
    const std::vector<double> values = convert(picture, spec, with);
    EXPECT_EQ(values[39], 0);
    EXPECT_EQ(values[79], 0);
    EXPECT_EQ(values[119], 255);
  }
  spec.std = {1e-30, -1e-30, 1e-30};
  for (const Convert with :
       {internal::convert_on_host, internal::convert_portably, internal::tensor_convert}) {
    const std::vector<double> values = convert(picture, spec, with);
    EXPECT_EQ(values[39], 0);
    EXPECT_EQ(values[119], 255);
  }
}

// Every float16, the values between two of them and those beyond: subnormal, normal, infinite.
TEST(TensorTest, Float16RoundsToNearestEven) {
  using Half = internal::TensorElement<DataType::float16>;
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const uint16_t lower = static_cast<uint16_t>(bits), upper = static_cast<uint16_t>(bits + 1);
    const auto value = [](uint16_t of) {
      return static_cast<float>(of == 0x7c00 ? 65536 : testing::read_tensor(&of, DataType::float16, 1)[0]);
    };
    const float middle = value(lower) + (value(upper) - value(lower)) / 2;
    ASSERT_EQ(Half::round(value(lower)), lower);
    ASSERT_EQ(Half::round(-value(lower)), lower | 0x8000);
    ASSERT_EQ(Half::round(middle), bits % 2 == 0 ? lower : upper) << middle;
    ASSERT_EQ(Half::round(std::nextafter(middle, 0.0f)), lower) << middle;
    ASSERT_EQ(Half::round(std::nextafter(middle, 1e9f)), upper) << middle;
  }
  EXPECT_EQ(Half::round(1e30f), 0x7c00);
  EXPECT_EQ(Half::round(-1e30f), 0xfc00);
}

TEST(TensorTest, BFloat16RoundsToNearestEven) {
  using Brain = internal::TensorElement<DataType::bfloat16>;
  EXPECT_EQ(Brain::round(1.0f), 0x3f80);
  EXPECT_EQ(Brain::round(-2.5f), 0xc020);
  EXPECT_EQ(Brain::round(1.0f + 1.0f / 256), 0x3f80);          // half way, even below
  EXPECT_EQ(Brain::round(1.0f + 3.0f / 256), 0x3f82);          // half way, even above
  EXPECT_EQ(Brain::round(1.0f + 1.0f / 256 + 1e-6f), 0x3f81);  // past half way
  EXPECT_EQ(Brain::round(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(TensorTest, ABatchIsItsFramesOneAfterAnother) {
  std::mt19937 random(testing::random_seed());
  std::vector<Picture> pictures;
  std::vector<ImageView> views;
  for (int i = 0; i < 70; ++i) pictures.emplace_back(19, 11, PixelFormat::bgrx8888, 0, random);
  for (const Picture& picture : pictures) views.push_back(picture.view());
  TensorSpec spec;
  spec.width = 8;
  spec.height = 5;
  for (const Layout layout : {Layout::hwc, Layout::chw}) {
    spec.layout = layout;
    std::vector<double> expected;
    for (const Picture& picture : pictures) {
      const std::vector<double> one = convert(picture, spec);
      expected.insert(expected.end(), one.begin(), one.end());
    }
    EXPECT_EQ(convert(views, spec), expected);
  }
  EXPECT_EQ(internal::plan_tensor(views, spec, views.data()).size(), 2u);
}

TEST(TensorTest, ShapeAndBytesFollowTheSpec) {
  TensorSpec spec;
  EXPECT_EQ(tensor_bytes(spec, 1920, 1080), 3u * 1920 * 1080 * 4);
  spec.dtype = DataType::float16;
  spec.region = Rect{10, 20, 300, 200};
  spec.height = 50;
  const TensorShape shape = tensor_shape(spec, 1920, 1080);
  EXPECT_EQ(shape.channels, 3u);
  EXPECT_EQ(shape.height, 50u);
  EXPECT_EQ(shape.width, 300u);
  spec.channels = Channels::gray;
  EXPECT_EQ(tensor_shape(spec, 1920, 1080).channels, 1u);
  EXPECT_EQ(tensor_bytes(spec, 1920, 1080, 7), 7u * 300 * 50 * 2);
}

std::string refusal(const TensorSpec& spec, uint32_t width = 64, uint32_t height = 48) {
  try {
    tensor_shape(spec, width, height);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "accepted";
}

TEST(TensorTest, ASpecThatCannotBeMetIsRefusedWithWhatIsAllowed) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  TensorSpec spec;
  EXPECT_EQ(refusal(spec), "accepted");

  spec.region = Rect{60, 0, 5, 48};
  EXPECT_THAT(refusal(spec), AllOf(HasSubstr("5x48 at 60,0"), HasSubstr("64x48")));
  spec.region = Rect{0, 1, 64, 48};
  EXPECT_THAT(refusal(spec), HasSubstr("not within the frame"));
  spec.region = Rect{65535, 65535, 65535, 65535};
  EXPECT_THAT(refusal(spec), HasSubstr("not within the frame"));
  spec.region = Rect{3, 3, 0, 4};
  EXPECT_THAT(refusal(spec), HasSubstr("region is empty: 0x4"));
  spec.region = {};
  EXPECT_THAT(refusal(spec, 0, 0), HasSubstr("frame is empty"));
  spec.width = 32768;
  EXPECT_THAT(refusal(spec), HasSubstr("more than 32767"));
  spec.width = 0;

  for (const double bad : {kNan, kInfinity}) {
    spec.scale = bad;
    EXPECT_THAT(refusal(spec), HasSubstr("scale is not a finite number"));
    spec.scale = {};
    spec.mean[1] = bad;
    EXPECT_THAT(refusal(spec), HasSubstr("mean[1] is not a finite number"));
    spec.channels = Channels::gray;
    EXPECT_EQ(refusal(spec), "accepted") << "gray has one mean";
    spec.channels = Channels::rgb;
    spec.mean[1] = 0;
  }
  for (const double bad : {kNan, -kInfinity, 0.0}) {
    spec.std[2] = bad;
    EXPECT_THAT(refusal(spec), HasSubstr("std[2] is not a finite number other than 0"));
  }
  spec.std[2] = 1e-300;
  EXPECT_THAT(refusal(spec), HasSubstr("std[2] is too small"));
  spec.std[2] = 1;

  spec.channels = static_cast<Channels>(3);
  EXPECT_THAT(refusal(spec), HasSubstr("rgb, bgr, gray"));
  spec.channels = Channels::rgb;
  spec.layout = static_cast<Layout>(2);
  EXPECT_THAT(refusal(spec), HasSubstr("hwc, chw"));
  spec.layout = Layout::hwc;
  spec.dtype = static_cast<DataType>(4);
  EXPECT_THAT(refusal(spec), HasSubstr("uint8, float16, bfloat16, float32"));
  spec.dtype = DataType::uint8;
  spec.resize = static_cast<Resize>(3);
  EXPECT_THAT(refusal(spec), HasSubstr("nearest, bilinear, area"));
}

TEST(TensorTest, ABatchOfDifferentFramesIsRefused) {
  const Picture picture = Picture::constant(8, 8, PixelFormat::bgrx8888, 0);
  const Picture smaller = Picture::constant(8, 7, PixelFormat::bgrx8888, 0);
  const Picture other = Picture::constant(8, 8, PixelFormat::rgbx8888, 0);
  const ImageView sizes[] = {picture.view(), smaller.view()}, formats[] = {picture.view(), other.view()};
  float out[2 * 3 * 64];
  EXPECT_THROW(internal::plan_tensor(sizes, {}, out), Error);
  EXPECT_THROW(internal::plan_tensor(formats, {}, out), Error);
}

TEST(TensorTest, MemoryThatCannotHoldTheValuesIsRefused) {
  const Picture picture = Picture::constant(8, 8, PixelFormat::bgrx8888, 0);
  const ImageView view = picture.view();
  float out[3 * 64 + 1];
  EXPECT_THROW(internal::plan_tensor({&view, 1}, {}, nullptr), Error);
  EXPECT_THROW(internal::plan_tensor({&view, 1}, {}, reinterpret_cast<std::byte*>(out) + 1), Error);
  EXPECT_NO_THROW(internal::plan_tensor({&view, 1}, {}, out));
}

TEST(TensorTest, AnEmptyFrameIsRefused) {
  float out[3];
  EXPECT_THROW(to_tensor(Frame(), {}, out), Error);
}

}  // namespace
}  // namespace framering
