// framering.Stream.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "framering/connection.h"
#include "framering/stream.h"
#include "python-client/src/bindings/frame.h"
#include "python-client/src/bindings/stream_stats.h"

namespace framering::python {

// Every member needs the GIL; those that may wait give it up meanwhile.
class PyStream {
 public:
  // `socket` as connect() was given it; the stream keeps the connection for others like it.
  PyStream(Stream stream, std::shared_ptr<Connection> connection, std::string socket);

  const Stream& native() const { return stream_; }
  const Stream& attached() const;  // throws ClosedError
  const StreamStats& stats() const { return stats_; }

  // Each throws Error, ClosedError after close(), and nanobind::python_error: TimeoutError, or what a signal
  // handler raised.
  PyFrame next(std::optional<double> timeout, int64_t spin_us);
  PyFrame latest(std::optional<double> timeout);
  std::optional<PyFrame> find(uint64_t sequence);

  // For event loops. poll(): next(0) that returns nothing rather than to raise TimeoutError.
  std::optional<PyFrame> poll();
  int wake_fd();
  void arm();
  void drain();

  // Another stream of the same source, in order.
  PyStream every() const;
  PyFrame wait_until(std::optional<uint64_t> capture_ns, std::optional<double> timeout, int64_t spin_us);
  // False where it still is stale after the timeout.
  bool wait_live(std::optional<double> timeout);

  void reopen();
  void close();
  bool closed() const { return closed_; }

 private:
  void check_open() const;
  template <class Read>
  PyFrame take(std::chrono::nanoseconds timeout, Read read);
  // Runs an action of the client; ClosedError if that failed because of close().
  template <class Action>
  auto while_open(Action action);
  PyFrame hand_out(Frame frame);

  Stream stream_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<const FrameOrigin> origin_;
  StreamStats stats_;
  bool closed_ = false;
};

void bind_stream(nanobind::module_& module);

}  // namespace framering::python
