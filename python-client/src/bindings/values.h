// Values that cross between Python and the C++ client.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "framering/tensor_types.h"
#include "framering/types.h"

namespace framering::python {

// Each throws Error(invalid_argument) that names what is allowed.
// "host", "cuda", "cuda:1", "cuda:GPU-...": into OpenOptions::memory and OpenOptions::device.
void set_memory(OpenOptions& options, std::string_view words);
Mode to_mode(std::string_view word);
CursorMode to_cursor_mode(std::string_view word);
uint32_t to_lease_count(int64_t count);
std::chrono::nanoseconds to_timeout(std::optional<double> seconds);  // none or infinite: forever

Channels to_channels(std::string_view word);   // "RGB", "BGR", "GRAY"; any case
Layout to_layout(std::string_view word);       // "HWC", "CHW"; any case
DataType to_data_type(std::string_view word);  // "uint8", "float16", "bfloat16", "float32"
Resize to_resize(std::string_view word);       // "nearest", "bilinear", "area"

std::string_view name(Mode mode) noexcept;
std::string_view name(Channels channels) noexcept;
std::string_view name(Layout layout) noexcept;
std::string_view name(DataType type) noexcept;
std::string_view name(Resize resize) noexcept;

// A CUDA stream: its number (1 or 0 is the legacy default stream), or an object of torch, CuPy, Numba or of
// anyone who has __cuda_stream__(); None is the legacy default stream. TypeError for anything else.
void* to_cuda_stream(nanobind::handle stream);

nanobind::tuple to_tuple(std::span<const int64_t> values);
nanobind::list to_python(const std::vector<Rect>& rects);         // of framering.Rect
nanobind::object to_python(const std::optional<Cursor>& cursor);  // framering.Cursor, or None
nanobind::object to_python(const StreamInfo& info);               // framering.StreamInfo

// Leases and mappings belong to this process: pickling says so, and what to do instead.
[[noreturn]] void refuse_pickling(const char* what, const char* instead);

}  // namespace framering::python
