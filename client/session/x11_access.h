// A connection to an X server that has sent nothing yet, and what the server asks for before it lets in,
// found as Xlib finds it: by the display's name, and in $XAUTHORITY or ~/.Xauthority.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::session {

struct X11Access {
  std::string name;  // ":0"
  proto::UniqueFd socket;
  std::string auth_name{};  // empty: no cookie is known, and the server may let this user in without
  std::vector<std::byte> auth_data{};
};

// `display`: as in DISPLAY; empty: $DISPLAY. kInvalidArgument for what is no display of this machine,
// kUnavailable where no server answers.
proto::Result<X11Access> open_x11(const std::string& display);

}  // namespace framering::session
