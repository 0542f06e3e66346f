// Which source a command line names.
#pragma once

#include <string>

#include "framering/connection.h"

namespace framering::cli {

// At most one of them is given; none is the screen.
struct SourceOptions {
  std::string source{};   // as OpenOptions::source
  std::string window{};   // part of a title or class, any case; or 0xID, or "active"
  std::string monitor{};  // name or number
  std::string region{};   // X,Y,WIDTHxHEIGHT
};

// As OpenOptions::source. Asks the daemon for its windows where one is named by a part of its texts. Throws
// not_found and invalid_argument with the windows that there are or that match, permission_denied.
std::string find_source(Connection& connection, const SourceOptions& options);

}  // namespace framering::cli
