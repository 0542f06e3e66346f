#include "python-client/src/bindings/errors.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <exception>

namespace nb = nanobind;

namespace framering::python {

namespace {

template <class Make>
void set_error(Make&& make) noexcept {
  try {
    nb::object exception = make(nb::module_::import_("framering._errors"));
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  } catch (nb::python_error& failure) {
    failure.restore();
  }
}

}  // namespace

void set_python_error(const Error& error) noexcept {
  set_error([&](const nb::module_& errors) {
    return errors.attr("from_native")(static_cast<int>(error.code()), error.what(), error.hint());
  });
}

void set_python_error(const ClosedError& error) noexcept {
  set_error([&](const nb::module_& errors) {
    return errors.attr("StreamClosed")(error.what(), error.hint(), "closed");
  });
}

void register_errors() {
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const ClosedError& error) {
      set_python_error(error);
    } catch (const Error& error) {
      set_python_error(error);
    }
  });
}

}  // namespace framering::python
