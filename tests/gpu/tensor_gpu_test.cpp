// The kernels of to_tensor() as the driver runs them, against the reference. Skipped where there is no
// device.
#include <gtest/gtest.h>

#include <bit>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "client/src/tensor_cuda.h"
#include "client/src/tensor_host.h"
#include "client/src/tensor_plan.h"
#include "framering/error.h"
#include "proto/cuda_driver.h"
#include "tests/support/seed.h"
#include "tests/support/tensor_reference.h"

namespace framering {
namespace {

using internal::ImageView;
using internal::TensorArguments;
using proto::CudaContext;
using proto::CudaCurrent;
using proto::CudaDriver;
using testing::Picture;
using testing::TensorCase;

constexpr int kDevice = 0;

void check(const proto::Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

class DeviceMemory {
 public:
  DeviceMemory(const CudaDriver& driver, size_t bytes) : driver_(driver) {
    check(driver.cuMemAlloc(&address_, bytes));
  }
  ~DeviceMemory() { driver_.cuMemFree.raw(address_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  CUdeviceptr address() const { return address_; }
  void* pointer() const { return std::bit_cast<void*>(address_); }

 private:
  const CudaDriver& driver_;
  CUdeviceptr address_ = 0;
};

class TensorGpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto loaded = CudaDriver::load();
    if (!loaded) GTEST_SKIP() << loaded.error().message;
    driver_ = *loaded;
    CUdevice device = 0;
    check(driver_->cuDeviceGet(&device, kDevice));
    context_.emplace(*CudaContext::retain(*driver_, device));
    const CudaCurrent current(*driver_, context_->get());
    check(driver_->cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING));
  }

  void TearDown() override {
    if (!stream_) return;
    const CudaCurrent current(*driver_, context_->get());
    driver_->cuStreamDestroy.raw(stream_);
  }

  // On the device, from a context that is not current: to_tensor() finds it.
  std::vector<double> convert(const std::vector<const Picture*>& pictures, const TensorSpec& spec) {
    const Picture& first = *pictures[0];
    const size_t bytes = tensor_bytes(spec, first.width(), first.height(), pictures.size());
    std::vector<std::byte> result(bytes);
    const CudaCurrent current(*driver_, context_->get());
    DeviceMemory source(*driver_, pictures.size() * first.size_bytes()), out(*driver_, bytes);
    std::vector<ImageView> views;
    for (const Picture* picture : pictures) {
      const CUdeviceptr to = source.address() + views.size() * first.size_bytes();
      check(driver_->cuMemcpyHtoDAsync(to, picture->view().data, picture->size_bytes(), stream_));
      views.push_back(picture->view_at(std::bit_cast<const void*>(to)));
    }
    for (const TensorArguments& arguments : internal::plan_tensor(views, spec, out.pointer()))
      convert_from_elsewhere(arguments);
    check(driver_->cuMemcpyDtoHAsync(result.data(), out.address(), bytes, stream_));
    check(driver_->cuStreamSynchronize(stream_));
    return testing::read_tensor(result.data(), spec.dtype, bytes / internal::bytes_per_value(spec.dtype));
  }

  std::vector<double> convert(const Picture& picture, const TensorSpec& spec) {
    return convert(std::vector{&picture}, spec);
  }

  // A caller without a current context.
  void convert_from_elsewhere(const TensorArguments& arguments) {
    CUcontext context = nullptr;
    check(driver_->cuCtxPopCurrent(&context));
    internal::convert_on_device(kDevice, arguments, stream_);
    check(driver_->cuCtxPushCurrent(context));
  }

  void expect_reference(const Picture& picture, const TensorSpec& spec) {
    const std::string difference =
        testing::difference(convert(picture, spec), testing::reference_tensor(picture, spec), spec);
    EXPECT_EQ(difference, "") << name(picture.format()) << " " << testing::text(spec);
  }

  const CudaDriver* driver_ = nullptr;
  std::optional<CudaContext> context_;
  CUstream stream_ = nullptr;
};

TEST_F(TensorGpuTest, EveryKernelGivesTheReferencesValues) {
  testing::for_each_tensor_case(testing::random_seed(), [&](const TensorCase& each) {
    if (!HasFailure()) expect_reference(each.picture, each.spec);
  });
}

// Grids of many blocks, at the sizes of real desktops.
TEST_F(TensorGpuTest, WholeDesktopsGiveTheReferencesValues) {
  std::mt19937 random(testing::random_seed());
  const Picture desktop(1920, 1080, PixelFormat::bgrx8888, 0, random);
  const Picture laptop(1366, 768, PixelFormat::bgrx8888, 0, random);
  for (const Picture* picture : {&desktop, &laptop}) {
    for (const Resize resize : {Resize::area, Resize::bilinear}) {
      TensorSpec spec;
      spec.dtype = DataType::float16;
      spec.resize = resize;
      expect_reference(*picture, spec);
      spec.width = picture->width() / 2;
      spec.height = picture->height() / 2;
      expect_reference(*picture, spec);
      spec.width = spec.height = 224;
      expect_reference(*picture, spec);
    }
  }
}

TEST_F(TensorGpuTest, HostAndDeviceGiveTheSame) {
  std::mt19937 random(testing::random_seed());
  const Picture picture(640, 360, PixelFormat::bgrx8888, 0, random);
  for (const uint32_t width : {640u, 320u, 200u}) {
    TensorSpec spec;
    spec.width = width;
    spec.height = width * 9 / 16;
    spec.resize = Resize::area;
    spec.mean = {0.485, 0.456, 0.406};
    spec.std = {0.229, 0.224, 0.225};
    std::vector<float> host(tensor_bytes(spec, 640, 360) / sizeof(float));
    const ImageView view = picture.view();
    internal::convert_on_host(internal::plan_tensor({&view, 1}, spec, host.data())[0]);
    const std::vector<double> device = convert(picture, spec);
    for (size_t i = 0; i < host.size(); ++i) ASSERT_NEAR(device[i], host[i], 2e-6) << testing::text(spec);
  }
}

TEST_F(TensorGpuTest, ABatchIsItsFramesOneAfterAnother) {
  std::mt19937 random(testing::random_seed());
  std::vector<Picture> pictures;
  std::vector<const Picture*> batch;
  for (int i = 0; i < 70; ++i) pictures.emplace_back(64, 12, PixelFormat::bgrx8888, 0, random);
  for (const Picture& picture : pictures) batch.push_back(&picture);
  for (const uint32_t width : {64u, 32u, 10u, 5u}) {
    TensorSpec spec;
    spec.width = width;
    spec.height = width == 32 ? 6 : 12;
    spec.resize = Resize::area;
    std::vector<double> expected;
    for (const Picture& picture : pictures) {
      const std::vector<double> one = convert(picture, spec);
      expected.insert(expected.end(), one.begin(), one.end());
    }
    EXPECT_EQ(convert(batch, spec), expected);
  }
}

// As when the last stream on the device is closed and another one is opened.
TEST_F(TensorGpuTest, TheKernelsOutliveAContext) {
  std::mt19937 random(testing::random_seed());
  const Picture picture(64, 12, PixelFormat::bgrx8888, 0, random);
  expect_reference(picture, {});
  TearDown();
  context_.reset();
  SetUp();
  expect_reference(picture, {});
}

TEST_F(TensorGpuTest, ADeviceThatIsNotThereIsATypedError) {
  TensorArguments arguments{};
  try {
    internal::convert_on_device(99, arguments, nullptr);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(std::string(error.what()).find("cuDeviceGet"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace framering
