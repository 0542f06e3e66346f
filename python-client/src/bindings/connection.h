// framering.Connection.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>

#include "framering/connection.h"
#include "python-client/src/bindings/desktop.h"
#include "python-client/src/bindings/stream.h"

namespace framering::python {

// Every member needs the GIL; all but the facts give it up while they ask the daemon.
class PyConnection {
 public:
  static PyConnection connect(const std::string& socket_path);

  nanobind::list list() const;
  nanobind::object stats() const;
  Desktop desktop() const;
  PyDesktopWatch watch_desktop() const;
  PyStream open(const OpenOptions& options) const;

  void close();
  const Connection* native() const { return connection_.get(); }  // null after close()

 private:
  PyConnection(Connection connection, std::string socket);
  std::shared_ptr<Connection> held() const;  // throws ClosedError

  // Shared with the calls in progress.
  std::shared_ptr<Connection> connection_;
  std::string socket_;  // as connect() was given it
};

void bind_connection(nanobind::module_& module);

}  // namespace framering::python
