#include "python-client/src/bindings/stream.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <chrono>
#include <functional>
#include <string>

#include "python-client/src/bindings/docs.h"
#include "python-client/src/bindings/errors.h"
#include "python-client/src/bindings/gil.h"
#include "python-client/src/bindings/values.h"

namespace nb = nanobind;

namespace framering::python {

namespace {

// Frames with the pointer in them are another stream of the daemon than the plain ones.
std::string listed_name(const OpenOptions& options) {
  const std::string suffix = "+cursor";
  const bool embedded = options.cursor == CursorMode::embedded && !options.source.ends_with(suffix);
  return embedded ? options.source + suffix : options.source;
}

}  // namespace

PyStream::PyStream(Stream stream, std::shared_ptr<Connection> connection, std::string socket)
    : stream_(std::move(stream)),
      connection_(std::move(connection)),
      origin_(std::make_shared<const FrameOrigin>(FrameOrigin{
          std::move(socket), listed_name(stream_.options()), stream_.memory(), stream_.options().writable})) {
}

void PyStream::check_open() const {
  if (closed_) throw ClosedError(ErrorCode::disconnected, "this stream was closed", "open it again");
}

const Stream& PyStream::attached() const {
  check_open();
  return stream_;
}

// `read` is next() or latest(). What is there already comes without giving the GIL up, which would cost a
// turn of every other busy thread (5 ms each); but never does it ask the daemon with the GIL.
template <class Read>
PyFrame PyStream::take(std::chrono::nanoseconds timeout, Read read) {
  check_open();
  std::optional<Frame> frame;
  try {
    const bool at_once = stream_.is_current();
    if (at_once) frame = read(std::chrono::nanoseconds::zero(), {});
    if (!frame && (!at_once || timeout > std::chrono::nanoseconds::zero())) {
      GilReleased released;
      frame = read(timeout, [&released] { return released.run_signal_handlers(); });
    }
  } catch (const Error&) {
    if (PyErr_Occurred()) throw nb::python_error();
    check_open();
    throw;
  }
  if (PyErr_Occurred()) throw nb::python_error();
  if (!frame) {
    check_open();
    PyErr_SetString(PyExc_TimeoutError, "no frame came within the timeout");
    throw nb::python_error();
  }
  return hand_out(std::move(*frame));
}

PyFrame PyStream::hand_out(Frame frame) {
  stats_.add(frame);
  return PyFrame(std::move(frame), origin_);
}

template <class Action>
auto PyStream::while_open(Action action) {
  check_open();
  try {
    if (stream_.is_current()) return action();
    const GilReleased released;  // it may ask the daemon
    return action();
  } catch (const Error&) {
    check_open();
    throw;
  }
}

PyFrame PyStream::next(std::optional<double> timeout, int64_t spin_us) {
  return take(to_timeout(timeout), [this, spin_us](auto limit, const std::function<bool()>& on_signal) {
    return stream_.next(limit, on_signal, std::chrono::microseconds(spin_us));
  });
}

PyFrame PyStream::latest(std::optional<double> timeout) {
  return take(to_timeout(timeout), [this](auto limit, const std::function<bool()>& on_signal) {
    return stream_.latest(limit, on_signal);
  });
}

std::optional<PyFrame> PyStream::find(uint64_t sequence) {
  auto frame = while_open([&] { return stream_.find(sequence); });
  if (!frame) return std::nullopt;
  return PyFrame(std::move(*frame), origin_);
}

std::optional<PyFrame> PyStream::poll() {
  auto frame = while_open([this] { return stream_.next(std::chrono::nanoseconds::zero()); });
  if (!frame) return std::nullopt;
  return hand_out(std::move(*frame));
}

int PyStream::wake_fd() {
  check_open();
  const GilReleased released;  // the first time it asks the daemon
  return stream_.wake_fd();
}

void PyStream::arm() {
  while_open([this] { stream_.arm(); });
}

void PyStream::drain() {
  while_open([this] { stream_.drain(); });
}

PyStream PyStream::every() const {
  check_open();
  OpenOptions options = stream_.options();
  options.mode = Mode::every;
  const GilReleased released;
  return PyStream(connection_->open(options), connection_, origin_->socket);
}

PyFrame PyStream::wait_until(std::optional<uint64_t> capture_ns, std::optional<double> timeout,
                             int64_t spin_us) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const uint64_t at_ns = capture_ns.value_or(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
  return take(to_timeout(timeout), [=, this](auto limit, const std::function<bool()>& on_signal) {
    return stream_.wait_until(at_ns, limit, on_signal, std::chrono::microseconds(spin_us));
  });
}

bool PyStream::wait_live(std::optional<double> timeout) {
  check_open();
  bool live = false;
  try {
    GilReleased released;
    live = stream_.wait_live(to_timeout(timeout), [&released] { return released.run_signal_handlers(); });
  } catch (const Error&) {
    if (PyErr_Occurred()) throw nb::python_error();
    check_open();
    throw;
  }
  if (PyErr_Occurred()) throw nb::python_error();
  return live;
}

void PyStream::reopen() {
  check_open();
  const GilReleased released;
  stream_.reopen();
}

void PyStream::close() {
  closed_ = true;
  const GilReleased released;
  stream_.close();
}

namespace {

PyFrame iterate(PyStream& stream) {
  try {
    return stream.next(std::nullopt, 0);
  } catch (const ClosedError&) {
    throw nb::stop_iteration();
  }
}

nb::tuple shape(const PyStream& self) {
  const Stream& stream = self.attached();
  return to_tuple(pixel_layout(stream.format(), stream.width(), stream.height(), 0).shape());
}

nb::object stats(const PyStream& self) {
  const StreamStats& stats = self.stats();
  return nb::module_::import_("framering._types")
      .attr("StreamStats")(stats.frames(), stats.fps(), stats.age_ms(0.5), stats.age_ms(0.99),
                           self.native().missed(), self.native().leases_held());
}

nb::object state(const PyStream& self) {
  const DesktopState state = self.attached().state();
  return nb::module_::import_("framering._types")
      .attr("DesktopState")(state.blanked, state.locked, state.away);
}

std::string repr(const PyStream& self) {
  const Stream& stream = self.native();
  std::string text = "<framering.Stream '" + stream.options().source + "'";
  if (self.closed()) return text + ", closed>";
  return text + ": " + std::to_string(stream.width()) + "x" + std::to_string(stream.height()) + " " +
         std::string(name(stream.format())) + " " + std::string(name(stream.memory())) + ", " +
         std::string(name(stream.options().mode)) + ">";
}

void bind_frames(nb::class_<PyStream>& stream) {
  stream
      .def("next", &PyStream::next, nb::arg("timeout") = nb::none(), nb::kw_only(), nb::arg("spin_us") = 0,
           docs::kNext)
      .def("latest", &PyStream::latest, nb::arg("timeout") = 5.0, docs::kLatest)
      .def("wait_until", &PyStream::wait_until, nb::arg("capture_ns") = nb::none(), nb::arg("timeout") = 5.0,
           nb::kw_only(), nb::arg("spin_us") = 0, docs::kWaitUntil)
      .def(
          "__iter__", [](nb::handle self) { return nb::borrow(self); },
          nb::sig("def __iter__(self) -> Stream"))
      .def("__next__", &iterate, docs::kIterate)
      .def(
          "__aiter__", [](nb::handle self) { return nb::borrow(self); },
          nb::sig("def __aiter__(self) -> Stream"))
      .def(
          "__anext__",
          [](nb::handle self) { return nb::module_::import_("framering._async").attr("iterate")(self); },
          nb::sig("def __anext__(self) -> collections.abc.Coroutine[typing.Any, typing.Any, Frame]"),
          docs::kAsyncIterate)
      .def(
          "next_async",
          [](nb::handle self, nb::handle timeout) {
            return nb::module_::import_("framering._async").attr("next_frame")(self, timeout);
          },
          nb::arg("timeout") = nb::none(),
          nb::sig("def next_async(self, timeout: float | None = None) -> "
                  "collections.abc.Coroutine[typing.Any, typing.Any, Frame]"),
          docs::kNextAsync)
      .def("wait_live", &PyStream::wait_live, nb::arg("timeout") = nb::none(), docs::kWaitLive)
      .def("every", &PyStream::every, docs::kEvery)
      .def("find", &PyStream::find, nb::arg("sequence"), docs::kFind)
      .def_prop_ro(
          "confirmed_ns", [](const PyStream& self) { return self.attached().confirmed_ns(); },
          docs::kStreamConfirmed)
      .def_prop_ro(
          "keepalive_ms", [](const PyStream& self) { return self.attached().keepalive().count(); },
          docs::kKeepalive)
      .def_prop_ro("state", &state,
                   nb::for_getter(nb::sig("def state(self) -> framering._types.DesktopState")), docs::kState)
      .def_prop_ro(
          "missed", [](const PyStream& self) { return self.native().missed(); }, docs::kMissed)
      .def_prop_ro("stats", &stats,
                   nb::for_getter(nb::sig("def stats(self) -> framering._types.StreamStats")), docs::kStats);
}

void bind_facts(nb::class_<PyStream>& stream) {
  stream
      .def_prop_ro(
          "source", [](const PyStream& self) { return self.native().options().source; }, docs::kAsOpened)
      .def_prop_ro(
          "mode", [](const PyStream& self) { return name(self.native().options().mode); },
          nb::for_getter(nb::sig("def mode(self) -> framering._types.Mode")), docs::kAsOpened)
      .def_prop_ro(
          "cursor", [](const PyStream& self) { return name(self.native().options().cursor); },
          nb::for_getter(nb::sig("def cursor(self) -> framering._types.CursorMode")), docs::kAsOpened)
      .def_prop_ro(
          "max_leases", [](const PyStream& self) { return self.native().options().max_leases; },
          docs::kMaxLeases)
      .def_prop_ro(
          "lease_ms", [](const PyStream& self) { return self.attached().lease_time().count(); },
          docs::kLeaseMs)
      .def_prop_ro(
          "width", [](const PyStream& self) { return self.attached().width(); }, docs::kNewestPixels)
      .def_prop_ro(
          "height", [](const PyStream& self) { return self.attached().height(); }, docs::kNewestPixels)
      .def_prop_ro(
          "format", [](const PyStream& self) { return name(self.attached().format()); },
          nb::for_getter(nb::sig("def format(self) -> framering._types.PixelFormat")), docs::kStreamFormat)
      .def_prop_ro(
          "memory", [](const PyStream& self) { return name(self.attached().memory()); },
          nb::for_getter(nb::sig("def memory(self) -> framering._types.Memory")), docs::kMemory)
      .def_prop_ro(
          "stale", [](const PyStream& self) { return self.attached().stale(); }, docs::kStale)
      .def_prop_ro(
          "position",
          [](const PyStream& self) {
            const Point position = self.attached().position();
            return nb::make_tuple(position.x, position.y);
          },
          nb::for_getter(nb::sig("def position(self) -> tuple[int, int]")), docs::kPosition)
      .def_prop_ro("shape", &shape, nb::for_getter(nb::sig("def shape(self) -> tuple[int, ...]")),
                   docs::kStreamShape)
      .def_prop_ro(
          "epoch", [](const PyStream& self) { return self.attached().epoch(); }, docs::kStreamEpoch);
}

void bind_life(nb::class_<PyStream>& stream) {
  stream.def("reopen", &PyStream::reopen, docs::kReopen)
      .def("close", &PyStream::close, docs::kCloseStream)
      .def_prop_ro("closed", &PyStream::closed, docs::kClosed)
      .def(
          "__enter__", [](nb::handle self) { return nb::borrow(self); },
          nb::sig("def __enter__(self) -> Stream"))
      .def(
          "__exit__", [](PyStream& self, const nb::args&) { self.close(); },
          nb::sig("def __exit__(self, *exception: object) -> None"))
      .def("__repr__", &repr)
      .def(
          "__reduce__",
          [](const PyStream&) { refuse_pickling("Stream", "open the stream in the other process too"); },
          nb::sig("def __reduce__(self) -> typing.NoReturn"));
}

}  // namespace

void bind_stream(nb::module_& module) {
  nb::class_<PyStream> stream(module, "Stream", nb::is_final(), docs::kStream);
  bind_frames(stream);
  bind_facts(stream);
  bind_life(stream);
  module.def("poll", &PyStream::poll, nb::arg("stream"), docs::kPoll);
  module.def("wake_fd", &PyStream::wake_fd, nb::arg("stream"), docs::kWakeFd);
  module.def("arm", &PyStream::arm, nb::arg("stream"), docs::kArm);
  module.def("drain", &PyStream::drain, nb::arg("stream"), docs::kDrain);
}

}  // namespace framering::python
