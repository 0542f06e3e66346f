#include "python-client/src/bindings/desktop.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "python-client/src/bindings/docs.h"
#include "python-client/src/bindings/errors.h"
#include "python-client/src/bindings/gil.h"
#include "python-client/src/bindings/values.h"

namespace nb = nanobind;

namespace framering::python {

namespace {

nb::object to_python(const MonitorInfo& monitor, const nb::module_& types) {
  const auto* edid = reinterpret_cast<const char*>(monitor.edid.data());
  return types.attr("MonitorInfo")(monitor.name, monitor.output, monitor.x, monitor.y, monitor.width,
                                   monitor.height, monitor.primary, monitor.order, monitor.refresh_hz,
                                   monitor.scale, monitor.width_mm, monitor.height_mm, monitor.make,
                                   monitor.model, nb::bytes(edid, monitor.edid.size()));
}

nb::object to_python(const WindowInfo& window, const nb::module_& types) {
  return types.attr("WindowInfo")(
      window.id, window.title, window.class_name, window.instance, window.pid, window.x, window.y,
      window.width, window.height, window.mapped, window.minimised, window.active,
      window.workspace >= 0 ? nb::object(nb::int_(window.workspace)) : nb::object(nb::none()));
}

}  // namespace

nb::object to_python(const Desktop& desktop) {
  const nb::module_ types = nb::module_::import_("framering._types");
  nb::list monitors, windows;
  for (const MonitorInfo& monitor : desktop.monitors) monitors.append(to_python(monitor, types));
  for (const WindowInfo& window : desktop.windows) windows.append(to_python(window, types));
  return types.attr("Desktop")(desktop.display, desktop.width, desktop.height, monitors, windows,
                               desktop.window_count, desktop.monitors_withheld, desktop.windows_withheld);
}

std::shared_ptr<DesktopWatch> PyDesktopWatch::held() const {
  if (!watch_) throw ClosedError(ErrorCode::disconnected, "this watch was closed", "watch again");
  return watch_;
}

nb::object PyDesktopWatch::next(std::optional<double> timeout) const {
  const std::shared_ptr<DesktopWatch> watch = held();
  const std::chrono::nanoseconds limit = to_timeout(timeout);
  std::optional<Desktop> desktop;
  {
    GilReleased released;
    desktop = watch->next(limit, [&released] { return released.run_signal_handlers(); });
  }
  if (PyErr_Occurred()) throw nb::python_error();
  if (!desktop) {
    PyErr_SetString(PyExc_TimeoutError, "the desktop did not change within the timeout");
    throw nb::python_error();
  }
  return to_python(*desktop);
}

void PyDesktopWatch::close() {
  watch_.reset();
}

void bind_desktop(nb::module_& module) {
  nb::class_<PyDesktopWatch>(module, "DesktopWatch", nb::is_final(), docs::kDesktopWatch)
      .def("next", &PyDesktopWatch::next, nb::arg("timeout") = nb::none(),
           nb::sig("def next(self, timeout: float | None = None) -> framering._types.Desktop"),
           docs::kNextDesktop)
      .def(
          "__iter__", [](nb::handle self) { return nb::borrow(self); },
          nb::sig("def __iter__(self) -> DesktopWatch"))
      .def(
          "__next__", [](const PyDesktopWatch& self) { return self.next(std::nullopt); },
          nb::sig("def __next__(self) -> framering._types.Desktop"))
      .def("fileno", &PyDesktopWatch::fileno, docs::kWatchFileno)
      .def("close", &PyDesktopWatch::close, docs::kCloseWatch)
      .def_prop_ro("closed", &PyDesktopWatch::closed, docs::kClosed)
      .def(
          "__enter__", [](nb::handle self) { return nb::borrow(self); },
          nb::sig("def __enter__(self) -> DesktopWatch"))
      .def(
          "__exit__", [](PyDesktopWatch& self, const nb::args&) { self.close(); },
          nb::sig("def __exit__(self, *exception: object) -> None"))
      .def(
          "__reduce__",
          [](const PyDesktopWatch&) { refuse_pickling("DesktopWatch", "watch in the other process too"); },
          nb::sig("def __reduce__(self) -> typing.NoReturn"));
}

}  // namespace framering::python
