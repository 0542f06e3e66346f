// framering.Desktop and framering.DesktopWatch.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <optional>

#include "framering/desktop.h"

namespace framering::python {

nanobind::object to_python(const Desktop& desktop);  // framering.Desktop

// Every member needs the GIL, and gives it up while it waits.
class PyDesktopWatch {
 public:
  explicit PyDesktopWatch(DesktopWatch watch) : watch_(std::make_shared<DesktopWatch>(std::move(watch))) {}

  nanobind::object next(std::optional<double> timeout) const;
  int fileno() const { return held()->fd(); }
  void close();
  bool closed() const { return !watch_; }

 private:
  std::shared_ptr<DesktopWatch> held() const;  // throws ClosedError

  // Shared with the calls in progress.
  std::shared_ptr<DesktopWatch> watch_;
};

void bind_desktop(nanobind::module_& module);

}  // namespace framering::python
