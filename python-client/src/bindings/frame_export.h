// Frames for readers of arrays: DLPack, the array interfaces of NumPy and CUDA.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>

#include "framering/types.h"
#include "python-client/src/bindings/dlpack.h"

namespace framering::python {

class PyFrame;

// As Frame.__dlpack__ says. Throws nanobind::buffer_error for what cannot be had.
nanobind::object to_dlpack(const PyFrame& frame, nanobind::handle stream, std::optional<IntPair> max_version,
                           std::optional<IntPair> device, std::optional<bool> copy);
// The same of a part of the frame, which is inside it: rows keep their distance.
nanobind::object region_to_dlpack(const PyFrame& frame, const Rect& region, nanobind::handle stream,
                                  std::optional<IntPair> max_version, std::optional<IntPair> device,
                                  std::optional<bool> copy);
IntPair dlpack_device(const PyFrame& frame);

// Throw nanobind::attribute_error for a frame in the other kind of memory, as readers expect.
nanobind::dict array_interface(PyFrame& frame);
nanobind::dict cuda_array_interface(PyFrame& frame);

}  // namespace framering::python
