#include "python-client/src/bindings/connection.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "python-client/src/bindings/docs.h"
#include "python-client/src/bindings/errors.h"
#include "python-client/src/bindings/gil.h"
#include "python-client/src/bindings/values.h"

namespace nb = nanobind;

namespace framering::python {

PyConnection::PyConnection(Connection connection, std::string socket)
    : connection_(std::make_shared<Connection>(std::move(connection))), socket_(std::move(socket)) {}

PyConnection PyConnection::connect(const std::string& socket_path) {
  const GilReleased released;
  return {Connection::connect(socket_path), socket_path};
}

std::shared_ptr<Connection> PyConnection::held() const {
  if (!connection_) throw ClosedError(ErrorCode::disconnected, "this connection was closed", "connect again");
  return connection_;
}

nb::list PyConnection::list() const {
  std::vector<StreamInfo> streams;
  {
    const std::shared_ptr<Connection> connection = held();
    const GilReleased released;
    streams = connection->list();
  }
  nb::list list;
  for (const StreamInfo& stream : streams) list.append(to_python(stream));
  return list;
}

nb::object PyConnection::stats() const {
  std::string text;
  {
    const std::shared_ptr<Connection> connection = held();
    const GilReleased released;
    text = connection->metrics();
  }
  return nb::module_::import_("framering._stats").attr("parse")(text);
}
Desktop PyConnection::desktop() const {
  const std::shared_ptr<Connection> connection = held();
  const GilReleased released;
  return connection->desktop();
}

PyDesktopWatch PyConnection::watch_desktop() const {
  const std::shared_ptr<Connection> connection = held();
  const GilReleased released;
  return PyDesktopWatch(connection->watch_desktop());
}

PyStream PyConnection::open(const OpenOptions& options) const {
  const std::shared_ptr<Connection> connection = held();
  const GilReleased released;
  return {connection->open(options), connection, socket_};
}

void PyConnection::close() {
  std::shared_ptr<Connection> ended = std::move(connection_);
  const GilReleased released;
  ended.reset();
}

namespace {

PyStream open(const PyConnection& connection, const std::string& source, std::string_view memory,
              std::string_view mode, int64_t max_leases, std::optional<double> max_fps,
              std::string_view cursor, bool writable) {
  OpenOptions options{.source = source,
                      .mode = to_mode(mode),
                      .max_leases = to_lease_count(max_leases),
                      .max_fps = max_fps.value_or(0),
                      .writable = writable,
                      .cursor = to_cursor_mode(cursor)};
  set_memory(options, memory);
  return connection.open(options);
}

// Of a whole desktop; one that withholds them from this user is an error here.
nb::object part_of(const PyConnection& self, const char* part) {
  const Desktop desktop = self.desktop();
  const bool of_monitors = std::string_view(part) == "monitors";
  const std::string& withheld = of_monitors ? desktop.monitors_withheld : desktop.windows_withheld;
  if (!withheld.empty()) {
    const bool by_policy = withheld.starts_with("the policy");
    throw Error(by_policy ? ErrorCode::permission_denied : ErrorCode::unavailable, withheld);
  }
  return to_python(desktop).attr(part);
}

std::string repr(const PyConnection& self) {
  const Connection* connection = self.native();
  if (connection == nullptr) return "<framering.Connection, closed>";
  return "<framering.Connection to frameringd " + connection->daemon_version() + ", pid " +
         std::to_string(connection->daemon_pid()) + ">";
}

}  // namespace

void bind_connection(nb::module_& module) {
  nb::class_<PyConnection>(module, "Connection", nb::is_final(), docs::kConnection)
      .def("list", &PyConnection::list, docs::kList)
      .def("stats", &PyConnection::stats, nb::sig("def stats(self) -> dict[str, typing.Any]"),
           docs::kStatsOfDaemon)
      .def(
          "desktop", [](const PyConnection& self) { return to_python(self.desktop()); },
          nb::sig("def desktop(self) -> framering._types.Desktop"), docs::kDesktop)
      .def(
          "monitors", [](const PyConnection& self) { return part_of(self, "monitors"); },
          nb::sig("def monitors(self) -> builtins.list[framering._types.MonitorInfo]"), docs::kMonitors)
      .def(
          "windows", [](const PyConnection& self) { return part_of(self, "windows"); },
          nb::sig("def windows(self) -> builtins.list[framering._types.WindowInfo]"), docs::kWindows)
      .def("watch_desktop", &PyConnection::watch_desktop, docs::kWatchDesktop)
      .def(
          "open", &open, nb::arg("source") = "screen", nb::arg("memory") = "auto", nb::arg("mode") = "latest",
          nb::arg("max_leases") = 2, nb::arg("max_fps") = nb::none(), nb::kw_only(),
          nb::arg("cursor") = "hidden", nb::arg("writable") = false,
          nb::sig(
              "def open(self, source: str = 'screen', memory: str = 'auto', "
              "mode: framering._types.Mode = 'latest', max_leases: int = 2, max_fps: float | None = None, *, "
              "cursor: framering._types.CursorMode = 'hidden', writable: bool = False) -> Stream"),
          docs::kOpen)
      .def("close", &PyConnection::close, docs::kCloseConnection)
      .def_prop_ro(
          "closed", [](const PyConnection& self) { return self.native() == nullptr; }, docs::kClosed)
      .def(
          "__enter__", [](nb::handle self) { return nb::borrow(self); },
          nb::sig("def __enter__(self) -> Connection"))
      .def(
          "__exit__", [](PyConnection& self, const nb::args&) { self.close(); },
          nb::sig("def __exit__(self, *exception: object) -> None"))
      .def("__repr__", &repr)
      .def(
          "__reduce__",
          [](const PyConnection&) { refuse_pickling("Connection", "connect in the other process too"); },
          nb::sig("def __reduce__(self) -> typing.NoReturn"));
  module.def("connect", &PyConnection::connect, nb::arg("socket_path"), docs::kConnect);
}

}  // namespace framering::python
