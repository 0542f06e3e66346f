// Answers GET /metrics over HTTP, on a Unix socket or on a port of this machine. Io thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

class MetricsServer {
 public:
  using Text = std::function<std::string()>;
  using MayRead = std::function<bool(int socket)>;  // of those who reach the Unix socket

  // kAlreadyInUse, kPermissionDenied, kInvalidArgument name the path. A dead daemon's socket is replaced.
  static proto::Result<std::unique_ptr<MetricsServer>> open_socket(boost::asio::io_context& io,
                                                                   const std::string& path, Text text,
                                                                   MayRead may_read);
  // On 127.0.0.1; 0 = a port that is free.
  static proto::Result<std::unique_ptr<MetricsServer>> open_port(boost::asio::io_context& io, uint16_t port,
                                                                 Text text);
  ~MetricsServer();  // removes the socket
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  uint16_t port() const;

 private:
  // Scrapers are few and ask seldom; more than these are hung up on.
  static constexpr size_t kMaxConnections = 8;

  MetricsServer(boost::asio::io_context& io, proto::UniqueFd listener, Text text);
  void wait_for_scrapers();
  void accept_all();

  boost::asio::io_context& io_;
  boost::asio::posix::stream_descriptor acceptor_;
  const Text text_;
  std::string path_;  // empty: a port
  MayRead may_read_;
  std::shared_ptr<size_t> connections_ = std::make_shared<size_t>(0);
};

}  // namespace framering::daemon
