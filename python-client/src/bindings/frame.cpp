#include "python-client/src/bindings/frame.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <string>
#include <utility>

#include "framering/error.h"
#include "python-client/src/bindings/docs.h"
#include "python-client/src/bindings/frame_export.h"
#include "python-client/src/bindings/values.h"

namespace nb = nanobind;

namespace framering::python {

FrameInfo::FrameInfo(const Frame& frame, bool is_writable)
    : sequence(frame.sequence()),
      epoch(frame.epoch()),
      x(frame.x()),
      y(frame.y()),
      width(frame.width()),
      height(frame.height()),
      stride(frame.stride()),
      format(frame.format()),
      memory(frame.memory()),
      device(frame.device()),
      writable(is_writable),
      capture_ns(frame.capture_ns()),
      capture_done_ns(frame.capture_done_ns()),
      published_ns(frame.published_ns()),
      confirmed_ns(frame.confirmed_ns()),
      cursor(frame.cursor()) {}

PyFrame::PyFrame(Frame frame, std::shared_ptr<const FrameOrigin> origin)
    : info_(frame, origin->writable), origin_(std::move(origin)), lease_(std::move(frame)) {}

PyFrame::~PyFrame() {
  if (pinned_ && info_.device >= 0) lease_.end_after(pin_stream_);
}

bool PyFrame::release(std::optional<void*> cuda_stream) {
  if (cuda_stream && info_.device < 0) {
    throw Error(ErrorCode::invalid_argument, "this frame is in host memory, which has no streams",
                "release it when its readers are done");
  }
  const bool was_valid = valid();
  if (!held_) return false;
  damage_ = lease_->damage();
  if (pinned_) {
    if (cuda_stream) lease_.hold_until(*cuda_stream);
  } else if (cuda_stream) {
    lease_.release_after(*cuda_stream);
  } else {
    lease_.end();
  }
  held_ = false;
  return was_valid;
}

Lease PyFrame::lease() const {
  if (!held_) {
    throw Error(ErrorCode::invalid_argument, "frame " + std::to_string(info_.sequence) + " was released",
                "make arrays of its pixels before release() or the end of its with block; they keep them");
  }
  return lease_;
}

const Frame& PyFrame::pin() {
  const Lease held = lease();
  pinned_ = true;
  return *held;
}

namespace {

nb::object handle(const PyFrame& frame) {
  const FrameOrigin& origin = frame.origin();
  return nb::module_::import_("framering._handle")
      .attr("FrameHandle")(origin.socket, origin.source, name(origin.memory), frame.info().epoch,
                           frame.info().sequence, frame.info().published_ns);
}

std::string repr(const PyFrame& frame) {
  const FrameInfo& info = frame.info();
  return "<framering.Frame " + std::to_string(info.sequence) + ": " + std::to_string(info.width) + "x" +
         std::to_string(info.height) + " " + std::string(name(info.format)) + " " +
         std::string(name(info.memory)) + (frame.held() ? ">" : ", released>");
}

PyType_Slot frame_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                             {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
                             {0, nullptr}};

template <auto kField>
auto fact() {
  return [](const PyFrame& self) { return self.info().*kField; };
}

void bind_facts(nb::class_<PyFrame>& frame) {
  frame.def_prop_ro("sequence", fact<&FrameInfo::sequence>(), docs::kSequence)
      .def_prop_ro("epoch", fact<&FrameInfo::epoch>(), docs::kFrameEpoch)
      .def_prop_ro("x", fact<&FrameInfo::x>(), docs::kFramePlace)
      .def_prop_ro("y", fact<&FrameInfo::y>(), docs::kFramePlace)
      .def_prop_ro("width", fact<&FrameInfo::width>(), docs::kPixels)
      .def_prop_ro("height", fact<&FrameInfo::height>(), docs::kPixels)
      .def_prop_ro("stride", fact<&FrameInfo::stride>(), docs::kStride)
      .def_prop_ro("capture_ns", fact<&FrameInfo::capture_ns>(), docs::kCapture)
      .def_prop_ro("capture_done_ns", fact<&FrameInfo::capture_done_ns>(), docs::kCaptureDone)
      .def_prop_ro("published_ns", fact<&FrameInfo::published_ns>(), docs::kPublished)
      .def_prop_ro("confirmed_ns", fact<&FrameInfo::confirmed_ns>(), docs::kConfirmed)
      .def_prop_ro(
          "format", [](const PyFrame& self) { return name(self.info().format); },
          nb::for_getter(nb::sig("def format(self) -> framering._types.PixelFormat")), docs::kFormat)
      .def_prop_ro(
          "memory", [](const PyFrame& self) { return name(self.info().memory); },
          nb::for_getter(nb::sig("def memory(self) -> framering._types.Memory")), docs::kMemory)
      .def_prop_ro(
          "damage", [](const PyFrame& self) { return to_python(self.damage()); },
          nb::for_getter(nb::sig("def damage(self) -> list[framering._types.Rect]")), docs::kDamage)
      .def(
          "damage_since",
          [](const PyFrame& self, uint64_t sequence) { return to_python(self.damage_since(sequence)); },
          nb::arg("sequence"),
          nb::sig("def damage_since(self, sequence: int) -> list[framering._types.Rect]"), docs::kDamageSince)
      .def_prop_ro(
          "cursor", [](const PyFrame& self) { return to_python(self.info().cursor); },
          nb::for_getter(nb::sig("def cursor(self) -> framering._types.Cursor | None")), docs::kCursor)
      .def_prop_ro(
          "shape", [](const PyFrame& self) { return to_tuple(self.layout().shape()); },
          nb::for_getter(nb::sig("def shape(self) -> tuple[int, ...]")), docs::kShape)
      .def_prop_ro(
          "dtype", [](const PyFrame& self) { return self.layout().element->name; },
          nb::for_getter(nb::sig("def dtype(self) -> typing.Literal['uint8', 'uint16', 'uint32']")),
          docs::kDtype)
      .def_prop_ro(
          "device",
          [](const PyFrame& self) {
            return self.info().device < 0 ? std::optional<int>() : std::optional<int>(self.info().device);
          },
          docs::kDevice)
      .def_prop_ro(
          "nbytes", [](const PyFrame& self) { return self.layout().byte_count(); }, docs::kNbytes);
}

void bind_life(nb::class_<PyFrame>& frame) {
  frame.def_prop_ro("valid", &PyFrame::valid, docs::kValid)
      .def(
          "release",
          [](PyFrame& self, nb::handle stream) {
            return self.release(stream.is_none() ? std::optional<void*>() : to_cuda_stream(stream));
          },
          nb::kw_only(), nb::arg("stream") = nb::none(),
          nb::sig("def release(self, *, stream: framering._types.CudaStream | None = None) -> bool"),
          docs::kRelease)
      .def(
          "__enter__", [](nb::handle self) { return nb::borrow(self); },
          nb::sig("def __enter__(self) -> Frame"))
      .def(
          "__exit__", [](PyFrame& self, const nb::args&) { self.release(std::nullopt); },
          nb::sig("def __exit__(self, *exception: object) -> None"))
      .def("handle", &handle, nb::sig("def handle(self) -> framering._handle.FrameHandle"), docs::kHandle)
      .def("__repr__", &repr)
      .def(
          "__reduce__",
          [](const PyFrame&) {
            refuse_pickling("Frame",
                            "send frame.handle(), which finds it again in the other process "
                            "while the ring keeps it, or frame.to_numpy(copy=True)");
          },
          nb::sig("def __reduce__(self) -> typing.NoReturn"));
}

// A method that is written in Python, with the frameworks imported when it is called.
template <size_t N>
void bind_python_method(nb::class_<PyFrame>& frame, const char* module, const char* method,
                        const char (&signature)[N], const char* doc) {
  frame.def(
      method,
      [module, method](nb::handle self, const nb::args& arguments, const nb::kwargs& keywords) {
        return nb::module_::import_(module).attr(method)(self, *arguments, **keywords);
      },
      nb::sig(signature), doc);
}

constexpr const char* kOnDevice = "this frame is on a CUDA device: to_numpy() makes a copy in host memory";

void bind_arrays(nb::class_<PyFrame>& frame) {
  frame
      .def(
          "numpy",
          [](nb::handle self) {
            if (nb::cast<const PyFrame&>(self).info().device >= 0) throw nb::buffer_error(kOnDevice);
            return nb::module_::import_("numpy").attr("asarray")(self);
          },
          nb::sig("def numpy(self) -> numpy.typing.NDArray[typing.Any]"), docs::kNumpy)
      .def(
          "__array__",
          [](nb::handle self, nb::handle dtype, nb::handle copy) {
            // Without this NumPy would make an array of one object.
            if (nb::cast<const PyFrame&>(self).info().device >= 0) throw nb::type_error(kOnDevice);
            return nb::module_::import_("numpy").attr("array")(
                nb::module_::import_("builtins").attr("memoryview")(self), dtype, nb::arg("copy") = copy);
          },
          nb::arg("dtype") = nb::none(), nb::arg("copy") = nb::none(),
          nb::sig("def __array__(self, dtype: typing.Any = None, copy: bool | None = None) -> "
                  "numpy.typing.NDArray[typing.Any]"),
          docs::kArray)
      .def_prop_ro("__array_interface__", &array_interface,
                   nb::for_getter(nb::sig("def __array_interface__(self) -> dict[str, typing.Any]")),
                   docs::kArrayInterface)
      .def_prop_ro("__cuda_array_interface__", &cuda_array_interface,
                   nb::for_getter(nb::sig("def __cuda_array_interface__(self) -> dict[str, typing.Any]")),
                   docs::kCudaArrayInterface)
      .def("__dlpack__", &to_dlpack, nb::kw_only(), nb::arg("stream") = nb::none(),
           nb::arg("max_version") = nb::none(), nb::arg("dl_device") = nb::none(),
           nb::arg("copy") = nb::none(),
           nb::sig("def __dlpack__(self, *, stream: int | None = None, "
                   "max_version: tuple[int, int] | None = None, dl_device: tuple[int, int] | None = None, "
                   "copy: bool | None = None) -> typing.Any"),
           docs::kDlpack)
      .def("__dlpack_device__", &dlpack_device, docs::kDlpackDevice);
#define FRAMERING_CONVERSION                                                               \
  "(self, *, channels: framering._types.Channels | None = None, "                          \
  "layout: framering._types.Layout | None = None, dtype: typing.Any = None, "              \
  "size: tuple[int, int] | None = None, region: tuple[int, int, int, int] | None = None, " \
  "resize: framering._types.Resize | None = None, scale: float | None = None, "            \
  "mean: float | collections.abc.Sequence[float] | None = None, "                          \
  "std: float | collections.abc.Sequence[float] | None = None"
#define FRAMERING_OUT ", out: typing.Any = None, copy: bool | None = None) -> typing.Any"
  constexpr const char* kTensors = "framering._tensors";
  bind_python_method(frame, kTensors, "to_numpy", "def to_numpy" FRAMERING_CONVERSION FRAMERING_OUT,
                     docs::kToNumpy);
  bind_python_method(frame, kTensors, "to_torch", "def to_torch" FRAMERING_CONVERSION FRAMERING_OUT,
                     docs::kToTorch);
  bind_python_method(frame, kTensors, "to_cupy", "def to_cupy" FRAMERING_CONVERSION FRAMERING_OUT,
                     docs::kToCupy);
  bind_python_method(frame, kTensors, "to_jax",
                     "def to_jax" FRAMERING_CONVERSION ", copy: bool | None = None) -> typing.Any",
                     docs::kToJax);
  bind_python_method(frame, kTensors, "to_tensorflow",
                     "def to_tensorflow" FRAMERING_CONVERSION ", copy: bool | None = None) -> typing.Any",
                     docs::kToTensorflow);
#undef FRAMERING_OUT
#undef FRAMERING_CONVERSION
}

void bind_pictures(nb::class_<PyFrame>& frame) {
#define FRAMERING_PICTURE                                                                  \
  "size: tuple[int, int] | None = None, region: tuple[int, int, int, int] | None = None, " \
  "resize: framering._types.Resize | None = None"
  constexpr const char* kPictures = "framering._pictures";
  bind_python_method(frame, kPictures, "to_pil",
                     "def to_pil(self, mode: typing.Literal['RGB', 'RGBA', 'L'] = 'RGB', "
                     "*, " FRAMERING_PICTURE ", copy: bool | None = None) -> typing.Any",
                     docs::kToPil);
  bind_python_method(frame, kPictures, "to_opencv",
                     "def to_opencv(self, channels: typing.Literal['BGR', 'BGRA', 'GRAY'] = 'BGR', "
                     "*, " FRAMERING_PICTURE
                     ", out: typing.Any = None, copy: bool | None = None) -> typing.Any",
                     docs::kToOpencv);
  bind_python_method(frame, kPictures, "save",
                     "def save(self, path: str | os.PathLike[str], *, quality: int = 90, " FRAMERING_PICTURE
                     ") -> None",
                     docs::kSave);
#undef FRAMERING_PICTURE
  bind_python_method(frame, kPictures, "_repr_png_", "def _repr_png_(self) -> bytes", docs::kReprPng);
}

}  // namespace

void bind_frame(nb::module_& module) {
  nb::class_<PyFrame> frame(module, "Frame", nb::is_final(), nb::type_slots(frame_slots), docs::kFrame);
  bind_facts(frame);
  bind_life(frame);
  bind_arrays(frame);
  bind_pictures(frame);
}

}  // namespace framering::python
