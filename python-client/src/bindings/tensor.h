// Frames as a model wants them: what framering._tensors is written with.
#pragma once

#include <nanobind/nanobind.h>

namespace framering::python {

void bind_tensor(nanobind::module_& module);

}  // namespace framering::python
