#include "daemon/capture/x11_display.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <xcb/xcb.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "proto/unique_fd.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Result;
using proto::UniqueFd;

namespace {

constexpr timeval kAnswerTimeout{1, 0};

// Servers on Linux listen on the path and on the abstract name of the same text.
UniqueFd connect_to(const std::string& path, bool abstract) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() + abstract >= sizeof address.sun_path) return UniqueFd();
  std::memcpy(address.sun_path + abstract, path.data(), path.size());
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + abstract + path.size() + !abstract);
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return UniqueFd();
  return fd;
}

// The server's own words for refusing a client without credentials; empty if it says none.
std::string refusal_text(int fd) {
  xcb_setup_request_t request{};
  request.byte_order = 'l';
  request.protocol_major_version = 11;
  if (send(fd, &request, sizeof request, MSG_NOSIGNAL) != sizeof request) return {};
  xcb_setup_failed_t reply;
  if (recv(fd, &reply, sizeof reply, MSG_WAITALL) != sizeof reply || reply.status != 0) return {};
  std::string text(reply.reason_len, '\0');
  const ssize_t got = recv(fd, text.data(), text.size(), MSG_WAITALL);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
  return text;
}

}  // namespace

Result<X11Display> parse_x11_display(const std::string& name) {
  X11Display display{name, {}, 0};
  if (name.empty()) {
    const char* environment = std::getenv("DISPLAY");
    display.name = environment ? environment : "";
  }
  if (display.name.empty()) {
    return Error{ErrorCode::kInvalidArgument, "no X display is named", "set DISPLAY or name one such as :0"};
  }
  char* host_text = nullptr;
  int number = 0;
  if (!xcb_parse_display(display.name.c_str(), &host_text, &number, &display.screen)) {
    return Error{ErrorCode::kInvalidArgument, "\"" + display.name + "\" is not the name of an X display",
                 "display names look like :0 or :0.1"};
  }
  const std::unique_ptr<char, decltype(&std::free)> owner(host_text, &std::free);
  const std::string_view host = host_text;
  if (host.starts_with('/')) {
    display.socket_path = host;
  } else if (host.empty() || host == "unix") {
    display.socket_path = "/tmp/.X11-unix/X" + std::to_string(number);
  } else {
    return Error{ErrorCode::kUnavailable,
                 "X display " + display.name + " is on another machine or reached over TCP, where memory " +
                     "cannot be shared",
                 "run frameringd where the X server runs and name its display such as :0"};
  }
  return display;
}

Error explain_x11_refusal(const X11Display& display) {
  UniqueFd fd = connect_to(display.socket_path, /*abstract=*/true);
  if (!fd) fd = connect_to(display.socket_path, /*abstract=*/false);
  if (!fd) {
    return {ErrorCode::kUnavailable,
            "no X server answers at " + display.name + ": cannot connect to " + display.socket_path + ": " +
                std::strerror(errno),
            "start one, or name the display of one that runs"};
  }
  const std::string reason = refusal_text(fd.get());
  const char* authority = std::getenv("XAUTHORITY");
  return {
      ErrorCode::kPermissionDenied,
      "the X server at " + display.name + " refused the connection" + (reason.empty() ? "" : ": " + reason),
      std::string("XAUTHORITY must name a file with the server's cookie that this user can read; it is ") +
          (authority ? authority : "not set")};
}

}  // namespace framering::daemon
