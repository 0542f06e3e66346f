#include "python-client/src/bindings/tensor.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "framering/error.h"
#include "framering/tensor.h"
#include "python-client/src/bindings/dlpack.h"
#include "python-client/src/bindings/docs.h"
#include "python-client/src/bindings/frame.h"
#include "python-client/src/bindings/frame_export.h"
#include "python-client/src/bindings/gil.h"
#include "python-client/src/bindings/values.h"

namespace nb = nanobind;

namespace framering::python {

namespace {

using Size = std::pair<int64_t, int64_t>;  // height, width
using Region = std::tuple<int64_t, int64_t, int64_t, int64_t>;

constexpr int64_t kMaxPixels = 32767;

uint32_t to_pixels(const char* what, int64_t value, int64_t least) {
  if (value >= least && value <= kMaxPixels) return static_cast<uint32_t>(value);
  throw Error(ErrorCode::invalid_argument, std::string(what) + " must be " + std::to_string(least) + " to " +
                                               std::to_string(kMaxPixels) + " pixels, not " +
                                               std::to_string(value));
}

Rect to_rect(const Region& region) {
  const auto [x, y, width, height] = region;
  const auto pixels = [](const char* what, int64_t value, int64_t least) {
    return static_cast<uint16_t>(to_pixels(what, value, least));
  };
  return {pixels("the region's x", x, 0), pixels("the region's y", y, 0),
          pixels("the region's width", width, 1), pixels("the region's height", height, 1)};
}

TensorSpec make_spec(std::string_view channels, std::string_view layout, std::string_view data_type,
                     std::optional<Size> size, std::optional<Region> region, std::string_view resize,
                     std::optional<double> scale, const std::array<double, 3>& mean,
                     const std::array<double, 3>& std) {
  TensorSpec spec;
  spec.channels = to_channels(channels);
  spec.layout = to_layout(layout);
  spec.dtype = to_data_type(data_type);
  if (size) {
    spec.height = to_pixels("the height", size->first, 1);
    spec.width = to_pixels("the width", size->second, 1);
  }
  if (region) spec.region = to_rect(*region);
  spec.resize = to_resize(resize);
  spec.scale = scale;
  spec.mean = mean;
  spec.std = std;
  return spec;
}

// Keeps the frames while they are read.
struct Batch {
  std::vector<Lease> leases;
  std::vector<const Frame*> frames;

  explicit Batch(const nb::sequence& objects) {
    for (const nb::handle object : objects) {
      leases.push_back(nb::cast<const PyFrame&>(object).lease());
      frames.push_back(&*leases.back());
    }
  }
};

void write_tensor(const nb::sequence& objects, const TensorSpec& spec, uintptr_t out, nb::handle stream) {
  Batch batch(objects);
  void* const cuda_stream = to_cuda_stream(stream);
  const bool on_device = !batch.frames.empty() && batch.frames[0]->device() >= 0;
  const GilReleased released;
  to_tensor(batch.frames, spec, reinterpret_cast<void*>(out), cuda_stream);
  if (!on_device) return;
  for (Lease& lease : batch.leases) lease.hold_until(cuda_stream);
}

Tensor make_tensor(const nb::sequence& objects, const TensorSpec& spec) {
  const Batch batch(objects);
  const GilReleased released;
  return to_tensor(batch.frames, spec);
}

std::array<int64_t, 4> shape_of(size_t count, const TensorShape& shape, Layout layout) {
  const auto frames = static_cast<int64_t>(count);
  if (layout == Layout::chw) return {frames, shape.channels, shape.height, shape.width};
  return {frames, shape.height, shape.width, shape.channels};
}

Rect inside(const PyFrame& frame, const Region& region) {
  const Rect rect = to_rect(region);
  const FrameInfo& info = frame.info();
  if (uint32_t{rect.x} + rect.width <= info.width && uint32_t{rect.y} + rect.height <= info.height) {
    return rect;
  }
  throw Error(ErrorCode::invalid_argument, "the region is not inside the frame of " +
                                               std::to_string(info.width) + "x" +
                                               std::to_string(info.height) + " pixels");
}

void copy_frame_to_host(const PyFrame& frame, uintptr_t address, const std::optional<Region>& region) {
  const Lease lease = frame.lease();
  auto* to = reinterpret_cast<std::byte*>(address);
  const Rect part = region ? inside(frame, *region) : Rect{};
  const GilReleased released;
  if (!region) return lease->copy_to_host(to);
  std::vector<std::byte> copied;
  const std::byte* from = lease->data();
  if (from == nullptr) {
    copied.resize(lease->size_bytes());
    lease->copy_to_host(copied.data());
    from = copied.data();
  }
  const size_t pixel_bytes = bytes_per_pixel(lease->format());
  const size_t row_bytes = part.width * pixel_bytes;
  from += part.y * size_t{lease->stride()} + part.x * pixel_bytes;
  for (size_t row = 0; row < part.height; ++row) {
    std::memcpy(to + row * row_bytes, from + row * lease->stride(), row_bytes);
  }
}

class MemoryHold final : public DlHold {
 public:
  explicit MemoryHold(std::shared_ptr<std::byte> memory) : memory_(std::move(memory)) {}

 private:
  std::shared_ptr<std::byte> memory_;
};

DlType dl_type(DataType type) {
  switch (type) {
    case DataType::uint8:
      return {kDlUnsigned, 8, 1};
    case DataType::float16:
      return {kDlFloat, 16, 1};
    case DataType::bfloat16:
      return {kDlBfloat, 16, 1};
    case DataType::float32:
      return {kDlFloat, 32, 1};
  }
  return {};
}

IntPair tensor_device(const Tensor& tensor) {
  return tensor.device < 0 ? IntPair(kDlCpu, 0) : IntPair(kDlCuda, tensor.device);
}

nb::object export_tensor(const Tensor& tensor, nb::handle, std::optional<IntPair> max_version,
                         std::optional<IntPair> device, std::optional<bool> copy) {
  if (copy.value_or(false) || device.value_or(tensor_device(tensor)) != tensor_device(tensor)) {
    throw nb::buffer_error("this tensor is handed out where it is, without a copy");
  }
  DlExport exported;
  exported.data = tensor.data.get();
  exported.hold = std::make_unique<MemoryHold>(tensor.data);
  exported.device = tensor_device(tensor);
  exported.type = dl_type(tensor.dtype);
  exported.dimensions = 4;
  exported.shape = shape_of(tensor.count, tensor.shape, tensor.layout);
  int64_t stride = 1;
  for (size_t i = 4; i-- > 0;) {
    exported.strides[i] = stride;
    stride *= exported.shape[i];
  }
  return to_capsule(std::move(exported), max_version);
}

}  // namespace

void bind_tensor(nb::module_& module) {
  nb::class_<TensorSpec>(module, "TensorSpec", nb::is_final(), docs::kTensorSpec)
      .def(
          "__init__",
          [](TensorSpec* self, std::string_view channels, std::string_view layout, std::string_view data_type,
             std::optional<Size> size, std::optional<Region> region, std::string_view resize,
             std::optional<double> scale, const std::array<double, 3>& mean,
             const std::array<double, 3>& std) {
            new (self)
                TensorSpec(make_spec(channels, layout, data_type, size, region, resize, scale, mean, std));
          },
          nb::arg("channels"), nb::arg("layout"), nb::arg("dtype"), nb::arg("size").none(),
          nb::arg("region").none(), nb::arg("resize"), nb::arg("scale").none(), nb::arg("mean"),
          nb::arg("std"))
      .def(
          "shape",
          [](const TensorSpec& self, const PyFrame& frame, size_t count) {
            const TensorShape shape = tensor_shape(self, frame.info().width, frame.info().height);
            return to_tuple(shape_of(count, shape, self.layout));
          },
          nb::arg("frame"), nb::arg("count"),
          nb::sig("def shape(self, frame: Frame, count: int) -> tuple[int, ...]"), docs::kTensorShape);
  nb::class_<Tensor>(module, "Tensor", nb::is_final(), docs::kTensor)
      .def("__dlpack__", &export_tensor, nb::kw_only(), nb::arg("stream") = nb::none(),
           nb::arg("max_version") = nb::none(), nb::arg("dl_device") = nb::none(),
           nb::arg("copy") = nb::none(),
           nb::sig("def __dlpack__(self, *, stream: int | None = None, "
                   "max_version: tuple[int, int] | None = None, dl_device: tuple[int, int] | None = None, "
                   "copy: bool | None = None) -> typing.Any"),
           docs::kTensorDlpack)
      .def("__dlpack_device__", &tensor_device, docs::kTensorDevice)
      .def(
          "copy_to_host",
          [](const Tensor& self, uintptr_t out) {
            const GilReleased released;
            copy_to_host(self, reinterpret_cast<void*>(out));
          },
          nb::arg("address"), docs::kTensorCopy);
  module.def(
      "write_tensor", &write_tensor, nb::arg("frames"), nb::arg("spec"), nb::arg("address"),
      nb::arg("stream") = nb::none(),
      nb::sig("def write_tensor(frames: collections.abc.Sequence[Frame], spec: TensorSpec, address: int, "
              "stream: framering._types.CudaStream | None = None) -> None"),
      docs::kWriteTensor);
  module.def("make_tensor", &make_tensor, nb::arg("frames"), nb::arg("spec"),
             nb::sig("def make_tensor(frames: collections.abc.Sequence[Frame], spec: TensorSpec) -> Tensor"),
             docs::kMakeTensor);
  module.def("copy_to_host", &copy_frame_to_host, nb::arg("frame"), nb::arg("address"),
             nb::arg("region") = nb::none(), docs::kCopyToHost);
  module.def(
      "region_dlpack",
      [](const PyFrame& frame, const Region& region, nb::handle stream, std::optional<IntPair> max_version,
         std::optional<IntPair> device, std::optional<bool> copy) {
        return region_to_dlpack(frame, inside(frame, region), stream, max_version, device, copy);
      },
      nb::arg("frame"), nb::arg("region"), nb::kw_only(), nb::arg("stream") = nb::none(),
      nb::arg("max_version") = nb::none(), nb::arg("dl_device") = nb::none(), nb::arg("copy") = nb::none(),
      nb::sig("def region_dlpack(frame: Frame, region: tuple[int, int, int, int], *, "
              "stream: int | None = None, max_version: tuple[int, int] | None = None, "
              "dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> typing.Any"),
      docs::kRegionDlpack);
}

}  // namespace framering::python
