// Desktops of any depth, converted to what programs want, beside another client's grab.
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "tests/client/client_fixture.h"
#include "tests/support/seed.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

struct Depth {
  uint32_t depth;
  PixelFormat format;
  uint32_t bits[3];  // of red, green and blue, red highest
};

class DepthTest : public ::testing::TestWithParam<Depth> {
 protected:
  static constexpr uint32_t kWidth = 201, kHeight = 100;

  // Of what the server shows, row by row: red, green and blue of each pixel, 1 being all of it.
  std::vector<double> truth() {
    const std::vector<std::byte> grabbed = desktop_.grab();
    const uint32_t pixel_bytes = GetParam().depth == 16 ? 2 : 4;
    const size_t stride = (kWidth * pixel_bytes + 3) / 4 * 4;
    std::vector<double> channels;
    for (size_t i = 0; i < size_t{kWidth} * kHeight; ++i) {
      uint32_t word = 0;
      std::memcpy(&word, &grabbed[i / kWidth * stride + i % kWidth * pixel_bytes], pixel_bytes);
      const auto& [red, green, blue] = GetParam().bits;
      const auto channel = [word](uint32_t shift, uint32_t bits) {
        const uint32_t most = (1u << bits) - 1;
        return static_cast<double>(word >> shift & most) / most;
      };
      channels.insert(channels.end(), {channel(blue + green, red), channel(blue, green), channel(0, blue)});
    }
    return channels;
  }

  const Xvfb server_{{.screen = std::to_string(kWidth) + "x" + std::to_string(kHeight) + "x" +
                                std::to_string(GetParam().depth)}};
  X11Desktop desktop_{server_.display()};
  DaemonProcess daemon_{{"--source", "screen", "--display", server_.display()}};
  Connection connection_ = Connection::connect(daemon_.socket());
};

TEST_P(DepthTest, IsConvertedToTheNearestValueOfEveryType) {
  std::mt19937 random(random_seed());
  for (int i = 0; i < 300; ++i) {
    desktop_.fill({static_cast<int16_t>(random() % kWidth), static_cast<int16_t>(random() % kHeight),
                   static_cast<uint16_t>(1 + random() % 60), static_cast<uint16_t>(1 + random() % 40)},
                  static_cast<uint32_t>(random()));
  }
  desktop_.sync();
  Stream stream = connection_.open();
  EXPECT_EQ(stream.format(), GetParam().format);
  const auto frame = stream.next(kLong);
  ASSERT_TRUE(frame);
  const std::vector<double> expected = truth();

  TensorSpec spec;
  spec.layout = Layout::hwc;
  spec.dtype = DataType::uint8;
  std::vector<uint8_t> bytes(tensor_bytes(spec, kWidth, kHeight));
  to_tensor(*frame, spec, bytes.data());
  ASSERT_EQ(bytes.size(), expected.size());
  spec.dtype = DataType::float32;
  std::vector<float> floats(expected.size());
  to_tensor(*frame, spec, floats.data());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(bytes[i], std::lround(expected[i] * 255)) << i;
    ASSERT_NEAR(floats[i], expected[i], 1e-6) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Depths, DepthTest,
                         ::testing::Values(Depth{16, PixelFormat::rgb565, {5, 6, 5}},
                                           Depth{24, PixelFormat::bgrx8888, {8, 8, 8}},
                                           Depth{30, PixelFormat::xrgb2101010, {10, 10, 10}}),
                         [](const auto& info) { return std::to_string(info.param.depth); });

}  // namespace
}  // namespace framering::testing
