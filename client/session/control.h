// The helper's side of the control protocol: one desktop, handed in for as long as the connection lasts.
#pragma once

#include <optional>
#include <string>

#include "client/session/x11_access.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::session {

// The daemon's end is hung up when it ends or does not want the desktop any more. kPermissionDenied,
// kInvalidArgument and kVersion stay as they are; with other errors it may be tried again.
proto::Result<proto::UniqueFd> hand_in(const std::string& socket_path, const X11Access& access);

// Of a connection that the daemon has hung up: what it said of it, if anything. kUnavailable: the session
// that the desktop is of has ended.
std::optional<proto::Error> farewell(int daemon);

}  // namespace framering::session
