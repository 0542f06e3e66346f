#include "client/cli/source.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace framering::cli {

namespace {

constexpr size_t kShown = 8;  // in an error

// Letters of ASCII in any case; others as they are.
bool contains(std::string_view text, std::string_view part) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return !std::ranges::search(text, part, {}, lower, lower).empty();
}

std::string list_of(const std::vector<WindowInfo>& windows) {
  std::string list;
  for (size_t i = 0; i < std::min(windows.size(), kShown); ++i) {
    const WindowInfo& window = windows[i];
    list += (list.empty() ? "" : ", ") + window.source().substr(std::string_view("window:").size()) + " \"" +
            (window.title.empty() ? window.class_name : window.title) + '"';
  }
  return windows.size() > kShown ? list + " and " + std::to_string(windows.size() - kShown) + " more" : list;
}

std::string find_window(Connection& connection, const std::string& text) {
  if (text == "active" || text.starts_with("0x") || text.starts_with("0X")) return "window:" + text;
  const Desktop desktop = connection.desktop();
  std::vector<WindowInfo> matching;
  std::ranges::copy_if(desktop.windows, std::back_inserter(matching), [&](const WindowInfo& window) {
    return contains(window.title, text) || contains(window.class_name, text) ||
           contains(window.instance, text);
  });
  if (matching.size() == 1) return matching[0].source();
  if (matching.size() > 1) {
    throw Error(ErrorCode::invalid_argument,
                std::to_string(matching.size()) + " windows match \"" + text + "\": " + list_of(matching),
                "name more of its title, or its id, such as --window " +
                    matching[0].source().substr(std::string_view("window:").size()));
  }
  if (desktop.windows.empty() && !desktop.windows_withheld.empty()) {
    throw Error(ErrorCode::permission_denied, desktop.windows_withheld,
                "name a source that it allows, such as window:0x1a00007");
  }
  throw Error(ErrorCode::not_found, "no window has \"" + text + "\" in its title or class",
              desktop.windows.empty() ? "the desktop shows none" : "there are: " + list_of(desktop.windows));
}

}  // namespace

std::string find_source(Connection& connection, const SourceOptions& options) {
  if (!options.window.empty()) return find_window(connection, options.window);
  if (!options.monitor.empty()) return "monitor:" + options.monitor;
  if (!options.region.empty()) return "region:" + options.region;
  return options.source.empty() ? "screen" : options.source;
}

}  // namespace framering::cli
