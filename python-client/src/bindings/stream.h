// framering.Stream.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "framering/stream.h"
#include "python-client/src/bindings/frame.h"

namespace framering::python {

// Every member needs the GIL; those that may wait give it up meanwhile.
class PyStream {
 public:
  explicit PyStream(Stream stream) : stream_(std::move(stream)) {}

  const Stream& native() const { return stream_; }
  const Stream& attached() const;  // throws ClosedError

  // Each throws Error, ClosedError after close(), and nanobind::python_error: TimeoutError, or what a signal
  // handler raised.
  PyFrame next(std::optional<double> timeout, int64_t spin_us);
  PyFrame latest(std::optional<double> timeout);
  PyFrame wait_until(std::optional<uint64_t> capture_ns, std::optional<double> timeout);

  void reopen();
  void close();
  bool closed() const { return closed_; }

 private:
  void check_open() const;
  template <class Read>
  PyFrame take(std::chrono::nanoseconds timeout, Read read);

  Stream stream_;
  bool closed_ = false;
};

void bind_stream(nanobind::module_& module);

}  // namespace framering::python
