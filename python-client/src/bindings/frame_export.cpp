#include "python-client/src/bindings/frame_export.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "python-client/src/bindings/frame.h"
#include "python-client/src/bindings/gil.h"
#include "python-client/src/bindings/values.h"

namespace nb = nanobind;

namespace framering::python {

namespace {

class HostHold final : public DlHold {
 public:
  explicit HostHold(Lease lease) : lease_(std::move(lease)) {}

 private:
  Lease lease_;
};

// The slot is given back once the reader's work on its stream is done.
class DeviceHold final : public DlHold {
 public:
  DeviceHold(Lease lease, void* stream) : lease_(std::move(lease)), stream_(stream) {}
  ~DeviceHold() override { lease_.end_after(stream_); }

 private:
  Lease lease_;
  void* stream_;
};

class CopyHold final : public DlHold {
 public:
  explicit CopyHold(std::shared_ptr<std::byte> memory) : memory_(std::move(memory)) {}

 private:
  std::shared_ptr<std::byte> memory_;
};

constexpr size_t kDlAlignment = 256;

std::shared_ptr<std::byte> copy_to_host(const Frame& frame) {
  const size_t rounded = (frame.size_bytes() + kDlAlignment - 1) / kDlAlignment * kDlAlignment;
  std::shared_ptr<std::byte> memory(static_cast<std::byte*>(std::aligned_alloc(kDlAlignment, rounded)),
                                    std::free);
  if (!memory) throw std::bad_alloc();
  const GilReleased released;
  frame.copy_to_host(memory.get());
  return memory;
}

std::string text(IntPair device) {
  return "(" + std::to_string(device.first) + ", " + std::to_string(device.second) + ")";
}

void hold_copy(DlExport& exported, std::shared_ptr<std::byte> memory) {
  exported.data = memory.get();
  exported.hold = std::make_unique<CopyHold>(std::move(memory));
  exported.copied = true;
}

void fill(DlExport& exported, const Lease& lease, nb::handle stream, IntPair device,
          std::optional<bool> copy) {
  const IntPair here = exported.device;
  const bool on_device = here.first == kDlCuda;
  if (!on_device && !stream.is_none()) {
    throw nb::buffer_error("this frame is in host memory, which has no streams: stream must be None");
  }
  if (device != here && !(on_device && device == IntPair(kDlCpu, 0))) {
    throw nb::buffer_error(((on_device ? "this frame is on a CUDA device" : "this frame is in host memory") +
                            (": dl_device must be " + text(here)) +
                            (on_device ? ", (1, 0) for a copy in host memory," : "") +
                            " or None; move the array afterwards")
                               .c_str());
  }
  if (device != here) {
    if (copy == false) throw nb::buffer_error("a frame of a CUDA device is in host memory only as a copy");
    exported.device = device;
    return hold_copy(exported, copy_to_host(*lease));
  }
  if (on_device) {
    void* const reader_stream = to_reader_stream(stream);
    if (copy.value_or(false)) return hold_copy(exported, lease->copy_on_device(reader_stream));
    exported.data = reinterpret_cast<void*>(lease->device_pointer());
    exported.hold = std::make_unique<DeviceHold>(lease, reader_stream);
  } else {
    if (copy.value_or(false)) return hold_copy(exported, copy_to_host(*lease));
    exported.data = const_cast<std::byte*>(lease->data());
    exported.hold = std::make_unique<HostHold>(lease);
  }
}

nb::dict interface_of(const PyFrame& frame, uint64_t address, bool read_only) {
  const PixelLayout layout = frame.layout();
  nb::dict interface;
  interface["version"] = 3;
  interface["shape"] = to_tuple(layout.shape());
  interface["typestr"] = layout.element->typestr;
  interface["data"] = nb::make_tuple(address, read_only);
  interface["strides"] = layout.contiguous ? nb::object(nb::none()) : nb::object(to_tuple(layout.strides()));
  return interface;
}

}  // namespace

nb::object to_dlpack(const PyFrame& frame, nb::handle stream, std::optional<IntPair> max_version,
                     std::optional<IntPair> device, std::optional<bool> copy) {
  const FrameInfo& info = frame.info();
  const Rect whole{0, 0, static_cast<uint16_t>(info.width), static_cast<uint16_t>(info.height)};
  return region_to_dlpack(frame, whole, stream, max_version, device, copy);
}

nb::object region_to_dlpack(const PyFrame& frame, const Rect& region, nb::handle stream,
                            std::optional<IntPair> max_version, std::optional<IntPair> device,
                            std::optional<bool> copy) {
  const PixelLayout layout = frame.layout();
  DlExport exported;
  exported.device = dlpack_device(frame);
  exported.type = {kDlUnsigned, static_cast<uint8_t>(layout.element->bytes * 8), 1};
  exported.dimensions = layout.dimensions;
  for (size_t i = 0; i < layout.dimensions; ++i) {
    exported.shape[i] = layout.shape_values[i];
    exported.strides[i] = layout.stride_values[i] / layout.element->bytes;
  }
  exported.shape[0] = region.height;
  exported.shape[1] = region.width;
  fill(exported, frame.lease(), stream, device.value_or(exported.device), copy);
  exported.data = static_cast<std::byte*>(exported.data) + region.y * layout.stride_values[0] +
                  region.x * layout.stride_values[1];
  exported.read_only = !exported.copied && !frame.info().writable;
  return to_capsule(std::move(exported), max_version);
}

IntPair dlpack_device(const PyFrame& frame) {
  return frame.info().device < 0 ? IntPair(kDlCpu, 0) : IntPair(kDlCuda, frame.info().device);
}

nb::dict array_interface(PyFrame& frame) {
  if (frame.info().device >= 0) {
    throw nb::attribute_error("this frame is on a CUDA device: it has __cuda_array_interface__");
  }
  return interface_of(frame, reinterpret_cast<uintptr_t>(frame.pin().data()), true);
}

nb::dict cuda_array_interface(PyFrame& frame) {
  if (frame.info().device < 0) {
    throw nb::attribute_error("this frame is in host memory: it has __array_interface__");
  }
  nb::dict interface = interface_of(frame, frame.pin().device_pointer(), !frame.info().writable);
  interface["stream"] = nb::none();  // the pixels are complete
  return interface;
}

}  // namespace framering::python
