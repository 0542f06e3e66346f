#include <X11/Xauth.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xcb/xcb.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "client/session/x11_access.h"

namespace framering::session {

using proto::Error;
using proto::ErrorCode;
using proto::UniqueFd;

namespace {

constexpr std::string_view kCookie = "MIT-MAGIC-COOKIE-1";

struct Display {
  std::string name;
  int number = 0;
};

proto::Result<Display> parse(const std::string& name) {
  const char* environment = std::getenv("DISPLAY");
  Display display{name.empty() && environment ? environment : name};
  if (display.name.empty()) {
    return Error{ErrorCode::kInvalidArgument, "no X display is named", "set DISPLAY or give --display :0"};
  }
  char* host = nullptr;
  int screen = 0;
  const bool parsed = xcb_parse_display(display.name.c_str(), &host, &display.number, &screen) != 0;
  const std::unique_ptr<char, decltype(&std::free)> owner(host, &std::free);
  const std::string_view where = host ? host : "";
  if (!parsed || (!where.empty() && where != "unix")) {
    return Error{ErrorCode::kInvalidArgument,
                 "\"" + display.name + "\" is not the name of an X display of this machine",
                 "display names look like :0 or :0.1"};
  }
  return display;
}

// Servers listen on the path, and on the abstract name of the same text.
UniqueFd connect_to(const std::string& path, bool abstract) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + (abstract ? 1 : 0), path.data(), path.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket && connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0)
    return socket;
  return {};
}

void find_cookie(int number, X11Access& access) {
  char host[HOST_NAME_MAX + 1] = {};
  if (gethostname(host, sizeof host - 1) != 0) return;
  const std::string text = std::to_string(number);
  std::string type(kCookie);
  char* types[] = {type.data()};
  const int length = static_cast<int>(type.size());
  const std::unique_ptr<Xauth, decltype(&XauDisposeAuth)> found(
      XauGetBestAuthByAddr(FamilyLocal, static_cast<unsigned short>(std::strlen(host)), host,
                           static_cast<unsigned short>(text.size()), text.c_str(), 1, types, &length),
      &XauDisposeAuth);
  if (!found) return;
  access.auth_name.assign(found->name, found->name_length);
  const auto* data = reinterpret_cast<const std::byte*>(found->data);
  access.auth_data.assign(data, data + found->data_length);
}

}  // namespace

proto::Result<X11Access> open_x11(const std::string& name) {
  const auto display = parse(name);
  if (!display) return display.error();
  X11Access access{display->name, {}};
  const std::string path = "/tmp/.X11-unix/X" + std::to_string(display->number);
  access.socket = connect_to(path, /*abstract=*/true);
  if (!access.socket) access.socket = connect_to(path, /*abstract=*/false);
  if (!access.socket) {
    return proto::errno_error(ErrorCode::kUnavailable,
                              "no X server answers at " + display->name + ": cannot connect to " + path,
                              errno);
  }
  find_cookie(display->number, access);
  return access;
}

}  // namespace framering::session
