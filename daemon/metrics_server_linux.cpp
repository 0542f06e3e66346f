#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "daemon/metrics_server.h"

namespace framering::daemon {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::generic::stream_protocol;
using proto::errno_error;
using proto::Error;
using proto::ErrorCode;
using proto::UniqueFd;

namespace {

constexpr int kBacklog = 8;
constexpr std::chrono::seconds kPatience{5};
constexpr uint32_t kMaxHeaderBytes = 8192;

// One scrape: a request, its answer, the end. Keeps itself alive until then.
class Scrape : public std::enable_shared_from_this<Scrape> {
 public:
  Scrape(boost::asio::io_context& io, UniqueFd socket, int family, const MetricsServer::Text& text,
         std::shared_ptr<size_t> connections)
      : stream_(io), text_(text), connections_(std::move(connections)) {
    stream_.socket().assign(stream_protocol(family, 0), socket.release());
    parser_.header_limit(kMaxHeaderBytes);
    ++*connections_;
  }
  ~Scrape() { --*connections_; }

  void start() {
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, parser_, [self = shared_from_this()](beast::error_code error, size_t) {
      if (!error) self->answer(self->parser_.get());
    });
  }

 private:
  void answer(const http::request<http::empty_body>& request) {
    response_.version(request.version());
    response_.set(http::field::server, "frameringd/" FRAMERING_VERSION);
    response_.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    response_.keep_alive(false);
    if (request.method() != http::verb::get) {
      response_.result(http::status::method_not_allowed);
      response_.set(http::field::allow, "GET");
    } else if (request.target() != "/metrics") {
      response_.result(http::status::not_found);
      response_.body() = "there is /metrics\n";
    } else {
      response_.body() = text_();
    }
    response_.prepare_payload();
    stream_.expires_after(kPatience);
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code, size_t) {
      beast::error_code gone_already;
      [[maybe_unused]] const auto shut =
          self->stream_.socket().shutdown(boost::asio::socket_base::shutdown_both, gone_already);
    });
  }

  beast::basic_stream<stream_protocol> stream_;
  const MetricsServer::Text text_;
  const std::shared_ptr<size_t> connections_;
  beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
};

// Nothing where the path is free, or was a dead daemon's and is free now.
proto::Status make_room(const std::string& path, const sockaddr_un& address) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return proto::Ok{};
  if (!S_ISSOCK(info.st_mode)) {
    return Error{ErrorCode::kAlreadyInUse, path + " is there and is no socket",
                 "choose another metrics.socket"};
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN) {
    return Error{ErrorCode::kAlreadyInUse, "socket " + path + " is in use", "choose another metrics.socket"};
  }
  if (unlink(path.c_str()) != 0) {
    return errno_error(ErrorCode::kPermissionDenied, "cannot remove " + path, errno);
  }
  return proto::Ok{};
}

}  // namespace

MetricsServer::MetricsServer(boost::asio::io_context& io, UniqueFd listener, Text text)
    : io_(io), acceptor_(io, listener.release()), text_(std::move(text)) {}

MetricsServer::~MetricsServer() {
  if (!path_.empty()) unlink(path_.c_str());
}

proto::Result<std::unique_ptr<MetricsServer>> MetricsServer::open_socket(boost::asio::io_context& io,
                                                                         const std::string& path, Text text,
                                                                         MayRead may_read) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{ErrorCode::kInvalidArgument, "metrics.socket \"" + path + "\" must have 1 to 107 bytes", {}};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (auto room = make_room(path, address); !room) return room.error();
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener || bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(ErrorCode::kPermissionDenied, "cannot bind " + path, errno);
  }
  // Everybody may connect; who may read is decided by credentials, as for clients.
  if (chmod(path.c_str(), 0666) != 0 || listen(listener.get(), kBacklog) != 0) {
    return errno_error(ErrorCode::kInternal, "cannot listen on " + path, errno);
  }
  std::unique_ptr<MetricsServer> server(new MetricsServer(io, std::move(listener), std::move(text)));
  server->path_ = path;
  server->may_read_ = std::move(may_read);
  server->wait_for_scrapers();
  return server;
}

proto::Result<std::unique_ptr<MetricsServer>> MetricsServer::open_port(boost::asio::io_context& io,
                                                                       uint16_t port, Text text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  if (listener) setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (!listener || bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), kBacklog) != 0) {
    auto error = errno_error(errno == EADDRINUSE ? ErrorCode::kAlreadyInUse : ErrorCode::kPermissionDenied,
                             "cannot listen on 127.0.0.1:" + std::to_string(port), errno);
    error.hint =
        "choose another metrics.port; frameringd.service needs the drop-in metrics-port.conf for one";
    return error;
  }
  std::unique_ptr<MetricsServer> server(new MetricsServer(io, std::move(listener), std::move(text)));
  server->wait_for_scrapers();
  return server;
}

uint16_t MetricsServer::port() const {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  auto& acceptor = const_cast<boost::asio::posix::stream_descriptor&>(acceptor_);
  getsockname(acceptor.native_handle(), reinterpret_cast<sockaddr*>(&address), &length);
  return address.sin_family == AF_INET ? ntohs(address.sin_port) : 0;
}

void MetricsServer::wait_for_scrapers() {
  acceptor_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](beast::error_code error) {
    if (error) return;
    accept_all();
    wait_for_scrapers();
  });
}

void MetricsServer::accept_all() {
  for (;;) {
    UniqueFd socket(accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    if (*connections_ >= kMaxConnections) continue;
    if (may_read_ && !may_read_(socket.get())) continue;
    std::make_shared<Scrape>(io_, std::move(socket), path_.empty() ? AF_INET : AF_UNIX, text_, connections_)
        ->start();
  }
}

}  // namespace framering::daemon
