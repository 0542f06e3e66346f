#include "daemon/capture/x11_connection.h"

#include <sys/socket.h>
#include <xcb/composite.h>
#include <xcb/damage.h>
#include <xcb/randr.h>
#include <xcb/screensaver.h>
#include <xcb/shm.h>
#include <xcb/xfixes.h>

#include <utility>

#include "daemon/capture/x11_display.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

const xcb_screen_t* screen_of(xcb_connection_t* xcb, int number) {
  auto screens = xcb_setup_roots_iterator(xcb_get_setup(xcb));
  while (number-- > 0 && screens.rem > 0) xcb_screen_next(&screens);
  return screens.rem > 0 ? screens.data : nullptr;
}

std::string version(uint32_t major, uint32_t minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

}  // namespace

Result<std::unique_ptr<X11Connection>> X11Connection::open(const std::string& display_name) {
  const auto display = parse_x11_display(display_name);
  if (!display) return display.error();
  int screen = 0;
  // Never null; a failed connection still has to be disconnected.
  std::unique_ptr<X11Connection> connection(
      new X11Connection(display->name, xcb_connect(display->name.c_str(), &screen)));
  switch (xcb_connection_has_error(connection->xcb_)) {
    case 0:
      break;
    case XCB_CONN_CLOSED_INVALID_SCREEN:
      return Error{ErrorCode::kInvalidArgument,
                   "the X server at " + display->name + " has no screen " + std::to_string(display->screen),
                   "screens count from 0"};
    case XCB_CONN_CLOSED_MEM_INSUFFICIENT:
      return Error{ErrorCode::kOutOfMemory, "no memory for a connection to " + display->name, {}};
    default:
      return explain_x11_refusal(*display);
  }
  if (auto looked = connection->look_at_server(screen); !looked) return looked.error();
  return connection;
}

Result<std::unique_ptr<X11Connection>> X11Connection::open(DisplayAccess access) {
  const auto display = parse_x11_display(access.name);
  if (!display) return display.error();
  xcb_auth_info_t auth{};
  auth.namelen = static_cast<int>(access.auth_name.size());
  auth.name = access.auth_name.data();
  auth.datalen = static_cast<int>(access.auth_data.size());
  auth.data = reinterpret_cast<char*>(access.auth_data.data());
  const bool has_auth = !access.auth_name.empty();
  std::unique_ptr<X11Connection> connection(new X11Connection(
      display->name, xcb_connect_to_fd(access.socket.release(), has_auth ? &auth : nullptr)));
  if (connection->lost()) {
    return Error{ErrorCode::kPermissionDenied,
                 "the X server at " + display->name + " refused the connection that was handed in",
                 "is the cookie that of the session's own XAUTHORITY?"};
  }
  if (auto looked = connection->look_at_server(display->screen); !looked) return looked.error();
  return connection;
}

Status X11Connection::look_at_server(int screen) {
  screen_ = screen_of(xcb_, screen);
  if (screen_ == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 "the X server at " + name_ + " has no screen " + std::to_string(screen),
                 "screens count from 0"};
  }
  if (auto local = require_local_socket(); !local) return local;
  if (auto extensions = require_extensions(); !extensions) return extensions;
  find_optional_extensions();
  return Ok{};
}

X11Connection::X11Connection(std::string name, xcb_connection_t* xcb) : name_(std::move(name)), xcb_(xcb) {}

X11Connection::~X11Connection() {
  xcb_disconnect(xcb_);
}

// xcb falls back to TCP where it finds no socket.
Status X11Connection::require_local_socket() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  getsockname(fd(), reinterpret_cast<sockaddr*>(&address), &length);
  if (address.ss_family == AF_UNIX) return Ok{};
  return Error{ErrorCode::kUnavailable,
               "X display " + name_ + " is reached over TCP, where memory cannot be shared",
               "run frameringd where the X server runs and where its Unix socket is visible"};
}

Status X11Connection::require_extensions() {
  for (xcb_extension_t* extension : {&xcb_shm_id, &xcb_damage_id, &xcb_xfixes_id}) {
    xcb_prefetch_extension_data(xcb_, extension);
  }
  const auto present = [this](xcb_extension_t* extension) {
    const auto* data = xcb_get_extension_data(xcb_, extension);
    return data && data->present;
  };
  const auto lacks = [this](const std::string& what, const std::string& hint) -> Status {
    if (lost()) return gone();
    return Error{ErrorCode::kUnavailable, "the X server at " + name_ + " lacks " + what, hint};
  };
  const std::string enable = "enable the extension in the server's configuration";
  if (!present(&xcb_shm_id)) return lacks("the extension MIT-SHM", enable);
  if (!present(&xcb_damage_id)) return lacks("the extension DAMAGE", enable);
  if (!present(&xcb_xfixes_id)) return lacks("the extension XFIXES", enable);

  const auto shm_cookie = xcb_shm_query_version(xcb_);
  const auto damage_cookie = xcb_damage_query_version(xcb_, 1, 1);
  const auto xfixes_cookie = xcb_xfixes_query_version(xcb_, 2, 0);
  const XcbPtr<xcb_shm_query_version_reply_t> shm(xcb_shm_query_version_reply(xcb_, shm_cookie, nullptr));
  const XcbPtr<xcb_damage_query_version_reply_t> damage(
      xcb_damage_query_version_reply(xcb_, damage_cookie, nullptr));
  const XcbPtr<xcb_xfixes_query_version_reply_t> xfixes(
      xcb_xfixes_query_version_reply(xcb_, xfixes_cookie, nullptr));
  if (!shm || !damage || !xfixes) return gone();
  if (std::pair(shm->major_version, shm->minor_version) < std::pair<uint16_t, uint16_t>(1, 2)) {
    return lacks("MIT-SHM 1.2, which can pass file descriptors: it has " +
                     version(shm->major_version, shm->minor_version),
                 "use a server with MIT-SHM 1.2, such as X.Org 1.15 or later on Linux");
  }
  if (damage->major_version < 1) {
    return lacks("DAMAGE 1.0: it has " + version(damage->major_version, damage->minor_version), {});
  }
  if (xfixes->major_version < 2) {
    return lacks("XFIXES 2.0: it has " + version(xfixes->major_version, xfixes->minor_version), {});
  }
  shares_pixmaps_ = shm->shared_pixmaps != 0 && shm->pixmap_format == XCB_IMAGE_FORMAT_Z_PIXMAP;
  damage_event_ = xcb_get_extension_data(xcb_, &xcb_damage_id)->first_event + XCB_DAMAGE_NOTIFY;
  cursor_event_ = xcb_get_extension_data(xcb_, &xcb_xfixes_id)->first_event + XCB_XFIXES_CURSOR_NOTIFY;
  return Ok{};
}

Error X11Connection::gone() const {
  return {ErrorCode::kUnavailable, "the X server at " + name_ + " has gone", {}};
}

Error X11Connection::failed(const xcb_generic_error_t& error) const {
  return {ErrorCode::kUnavailable,
          "the X server at " + name_ + " refused request " + std::to_string(error.major_code) + "." +
              std::to_string(error.minor_code) + " with error " + std::to_string(error.error_code),
          {}};
}

void X11Connection::find_optional_extensions() {
  xcb_prefetch_extension_data(xcb_, &xcb_randr_id);
  xcb_prefetch_extension_data(xcb_, &xcb_composite_id);
  xcb_prefetch_extension_data(xcb_, &xcb_screensaver_id);
  const auto* randr = xcb_get_extension_data(xcb_, &xcb_randr_id);
  const auto* composite = xcb_get_extension_data(xcb_, &xcb_composite_id);
  const auto* saver = xcb_get_extension_data(xcb_, &xcb_screensaver_id);
  if (saver && saver->present) saver_event_ = saver->first_event + XCB_SCREENSAVER_NOTIFY;
  if (randr && randr->present) {
    const XcbPtr<xcb_randr_query_version_reply_t> version(
        xcb_randr_query_version_reply(xcb_, xcb_randr_query_version(xcb_, 1, 5), nullptr));
    if (version && std::pair(version->major_version, version->minor_version) >= std::pair(1u, 5u)) {
      randr_event_ = randr->first_event;
    }
  }
  if (composite && composite->present) {
    const XcbPtr<xcb_composite_query_version_reply_t> version(
        xcb_composite_query_version_reply(xcb_, xcb_composite_query_version(xcb_, 0, 4), nullptr));
    has_composite_ =
        version && std::pair(version->major_version, version->minor_version) >= std::pair(0u, 2u);
  }
}

bool X11Connection::is_randr_event(uint8_t type) const {
  return has_monitors() &&
         (type == randr_event_ + XCB_RANDR_SCREEN_CHANGE_NOTIFY || type == randr_event_ + XCB_RANDR_NOTIFY);
}

}  // namespace framering::daemon
