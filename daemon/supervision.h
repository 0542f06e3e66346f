// Tells the service manager, every now and then, that the daemon is alive and what it does. That it is alive
// is said only while every stream's pump and publisher answer; this thread says it itself by saying it.
// Without a service manager nothing runs here. Io thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "daemon/server.h"

namespace framering::daemon {

class Supervision {
 public:
  // The server outlives it.
  Supervision(boost::asio::io_context& io, Server& server);
  void start();  // says that the daemon is ready

 private:
  void wait();
  void look();

  Server& server_;
  boost::asio::steady_timer timer_;
  const std::chrono::microseconds interval_;
  std::vector<std::string> silent_;  // streams, at the last look
  std::string status_;
};

}  // namespace framering::daemon
