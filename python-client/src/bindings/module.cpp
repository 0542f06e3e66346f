#include <nanobind/nanobind.h>

#include "framering/version.h"
#include "python-client/src/bindings/connection.h"
#include "python-client/src/bindings/desktop.h"
#include "python-client/src/bindings/docs.h"
#include "python-client/src/bindings/errors.h"
#include "python-client/src/bindings/frame.h"
#include "python-client/src/bindings/stream.h"
#include "python-client/src/bindings/tensor.h"

namespace nb = nanobind;

NB_MODULE(_core, module) {
  // What a program still holds when it ends is no leak: the process gives its leases back.
  nb::set_leak_warnings(false);
  module.attr("__doc__") = framering::python::docs::kModule;
  framering::python::register_errors();
  framering::python::bind_frame(module);
  framering::python::bind_stream(module);
  framering::python::bind_tensor(module);
  framering::python::bind_desktop(module);
  framering::python::bind_connection(module);
  module.def(
      "version", [] { return framering::version; }, framering::python::docs::kVersion);
}
