// What `framering list` says, as text and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framering/framering.h"

namespace framering::cli {

// All that a daemon tells at one moment.
struct Listing {
  std::string daemon_version;
  uint32_t daemon_pid = 0;
  std::vector<StreamInfo> streams;
  std::optional<Desktop> desktop;
  std::string no_desktop{};  // why there is none
};

// A line for each source: its name, a tab, what it is.
std::vector<std::string> source_lines(const Listing& listing);
std::vector<std::string> list_lines(const Listing& listing);
// One object; on one line, or indented by two.
std::string list_json(const Listing& listing, bool one_line);

}  // namespace framering::cli
