#include "python-client/src/bindings/values.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <array>
#include <cmath>
#include <string>

#include "framering/error.h"
#include "framering/stream.h"

namespace nb = nanobind;

namespace framering::python {

std::string_view name(Channels channels) noexcept {
  return channels == Channels::rgb ? "RGB" : channels == Channels::bgr ? "BGR" : "GRAY";
}

std::string_view name(Layout layout) noexcept {
  return layout == Layout::hwc ? "HWC" : "CHW";
}

std::string_view name(DataType type) noexcept {
  switch (type) {
    case DataType::uint8:
      return "uint8";
    case DataType::float16:
      return "float16";
    case DataType::bfloat16:
      return "bfloat16";
    case DataType::float32:
      break;
  }
  return "float32";
}

std::string_view name(Resize resize) noexcept {
  return resize == Resize::nearest ? "nearest" : resize == Resize::bilinear ? "bilinear" : "area";
}

namespace {

std::string upper(std::string_view word) {
  std::string letters(word);
  for (char& letter : letters) {
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  }
  return letters;
}

// Throws Error(invalid_argument): `what` must be one of `allowed`.
template <class Value, size_t N>
Value to_enum(std::string_view what, std::string_view word, const std::array<Value, N>& allowed) {
  std::string words;
  for (Value value : allowed) {
    if (name(value) == word) return value;
    words += (words.empty() ? "\"" : ", \"") + std::string(name(value)) + '"';
  }
  throw Error(ErrorCode::invalid_argument,
              std::string(what) + " must be one of " + words + ", not \"" + std::string(word) + '"');
}

nb::object to_python(const ClientInfo& client) {
  return nb::module_::import_("framering._types")
      .attr("ClientInfo")(client.pid, client.uid, client.name, client.leases_held, client.drops_caused,
                          client.leases_broken, client.confirmations_asked);
}

}  // namespace

void set_memory(OpenOptions& options, std::string_view words) {
  const size_t colon = words.find(':');
  options.memory = to_enum("memory", words.substr(0, colon),
                           std::array{Memory::automatic, Memory::host, Memory::cuda, Memory::cuda_ipc});
  if (colon == std::string_view::npos) return;
  if (options.memory == Memory::automatic || options.memory == Memory::host) {
    throw Error(ErrorCode::invalid_argument,
                "memory is \"" + std::string(words) + "\", but only \"cuda\" and \"cuda-ipc\" have devices");
  }
  options.device = words.substr(colon + 1);
}

void* to_cuda_stream(nb::handle stream) {
  nb::object number = nb::borrow(stream);
  if (stream.is_none()) return nullptr;
  if (nb::hasattr(stream, "__cuda_stream__")) {
    number = stream.attr("__cuda_stream__");
    number = PyCallable_Check(number.ptr()) ? number()[1] : number[1];
  } else {
    for (const char* attribute : {"cuda_stream", "ptr"}) {  // torch, CuPy
      if (nb::hasattr(stream, attribute)) number = stream.attr(attribute);
    }
  }
  if (!nb::isinstance<nb::int_>(number)) {
    throw nb::type_error("a CUDA stream is a number or an object with __cuda_stream__, cuda_stream or ptr");
  }
  return reinterpret_cast<void*>(nb::cast<uintptr_t>(number));
}

Channels to_channels(std::string_view word) {
  return to_enum("channels", upper(word), std::array{Channels::rgb, Channels::bgr, Channels::gray});
}

Layout to_layout(std::string_view word) {
  return to_enum("layout", upper(word), std::array{Layout::hwc, Layout::chw});
}

DataType to_data_type(std::string_view word) {
  return to_enum("dtype", word,
                 std::array{DataType::uint8, DataType::float16, DataType::bfloat16, DataType::float32});
}

Resize to_resize(std::string_view word) {
  return to_enum("resize", word, std::array{Resize::nearest, Resize::bilinear, Resize::area});
}

Mode to_mode(std::string_view word) {
  return to_enum("mode", word, std::array{Mode::latest, Mode::every});
}

std::string_view name(Mode mode) noexcept {
  return mode == Mode::latest ? "latest" : "every";
}

uint32_t to_lease_count(int64_t count) {
  if (count < 1 || count > 16) {
    throw Error(ErrorCode::invalid_argument, "max_leases must be 1 to 16, not " + std::to_string(count));
  }
  return static_cast<uint32_t>(count);
}

std::chrono::nanoseconds to_timeout(std::optional<double> seconds) {
  if (!seconds) return forever;
  if (!(*seconds >= 0)) {
    throw Error(ErrorCode::invalid_argument,
                "timeout must be None or at least 0 seconds, not " + std::to_string(*seconds));
  }
  const double nanoseconds = *seconds * 1e9;
  if (nanoseconds >= static_cast<double>(forever.count())) return forever;
  return std::chrono::nanoseconds(std::llround(nanoseconds));
}

nb::tuple to_tuple(std::span<const int64_t> values) {
  nb::list list;
  for (int64_t value : values) list.append(value);
  return nb::tuple(list);
}

nb::list to_python(const std::vector<Rect>& rects) {
  const nb::object type = nb::module_::import_("framering._types").attr("Rect");
  nb::list list;
  for (const Rect& rect : rects) list.append(type(rect.x, rect.y, rect.width, rect.height));
  return list;
}

nb::object to_python(const StreamInfo& info) {
  nb::list clients;
  for (const ClientInfo& client : info.clients) clients.append(to_python(client));
  return nb::module_::import_("framering._types")
      .attr("StreamInfo")(info.source, info.available, info.reason, info.epoch, info.width, info.height,
                          name(info.format), name(info.memory), info.slot_count, info.max_fps, info.captures,
                          info.published, info.dropped, info.client_count, clients);
}

void refuse_pickling(const char* what, const char* instead) {
  throw nb::type_error((std::string("a framering.") + what +
                        " belongs to the process that made it and cannot be pickled: " + instead)
                           .c_str());
}

}  // namespace framering::python
