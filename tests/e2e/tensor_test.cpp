// A daemon's frames as tensors.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <span>
#include <stdexcept>
#include <vector>

#include "framering/framering.h"
#include "tests/support/daemon_process.h"

namespace framering {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSource = "test:322x201@60";

class TensorE2eTest : public ::testing::Test {
 protected:
  Frame next() {
    auto frame = stream_.next(10s);
    if (!frame) throw std::runtime_error("no frame in 10 s");
    return *std::move(frame);
  }

  testing::DaemonProcess daemon_{{"--source", kSource, "--lease-ms", "60000"}};
  Stream stream_ = Connection::connect(daemon_.socket()).open({.source = kSource, .max_leases = 2});
};

// The bytes of the frame, without the fourth of each pixel.
std::vector<uint8_t> rgb_of(const Frame& frame) {
  std::vector<uint8_t> rgb;
  for (uint32_t y = 0; y < frame.height(); ++y) {
    const auto* row = reinterpret_cast<const uint8_t*>(frame.data()) + size_t{y} * frame.stride();
    for (uint32_t x = 0; x < frame.width(); ++x)
      rgb.insert(rgb.end(), {row[4 * x + 2], row[4 * x + 1], row[4 * x]});
  }
  return rgb;
}

TEST_F(TensorE2eTest, AFrameAndABatchOfFramesHoldTheDaemonsPixels) {
  const std::array frames{next(), next()};
  ASSERT_EQ(frames[0].format(), PixelFormat::bgrx8888);
  TensorSpec spec;
  spec.layout = Layout::hwc;
  spec.dtype = DataType::uint8;
  const size_t bytes = tensor_bytes(spec, frames[0].width(), frames[0].height());
  std::vector<uint8_t> one(bytes), both(2 * bytes);
  to_tensor(frames[0], spec, one.data());
  const Frame* const batch[] = {&frames[0], &frames[1]};
  to_tensor(batch, spec, both.data());

  EXPECT_EQ(one, rgb_of(frames[0]));
  std::vector<uint8_t> expected = rgb_of(frames[0]);
  const std::vector<uint8_t> second = rgb_of(frames[1]);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(both, expected);
  EXPECT_TRUE(frames[0].valid() && frames[1].valid()) << "the lease time passed: the comparison says nothing";
}

TEST_F(TensorE2eTest, AReleasedFrameIsRefused) {
  Frame frame = next();
  frame.release();
  float out[3];
  try {
    to_tensor(frame, {}, out);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  }
}

TEST_F(TensorE2eTest, NoFramesAreNoWork) {
  to_tensor(std::span<const Frame* const>(), {}, nullptr);
}

}  // namespace
}  // namespace framering
