#include <algorithm>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>

#include "client/cli/list.h"
#include "client/cli/table.h"

namespace framering::cli {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const StreamInfo& stream) {
  Json clients = Json::array();
  for (const ClientInfo& client : stream.clients) {
    clients.push_back({{"pid", client.pid},
                       {"uid", client.uid},
                       {"name", client.name},
                       {"leases_held", client.leases_held},
                       {"drops_caused", client.drops_caused},
                       {"leases_broken", client.leases_broken},
                       {"confirmations_asked", client.confirmations_asked}});
  }
  return {{"source", stream.source},         {"available", stream.available},
          {"reason", stream.reason},         {"epoch", stream.epoch},
          {"width", stream.width},           {"height", stream.height},
          {"format", name(stream.format)},   {"memory", name(stream.memory)},
          {"slot_count", stream.slot_count}, {"max_fps", stream.max_fps},
          {"captures", stream.captures},     {"published", stream.published},
          {"dropped", stream.dropped},       {"client_count", stream.client_count},
          {"clients", std::move(clients)}};
}

Json to_json(const MonitorInfo& monitor) {
  return {{"source", monitor.source()},
          {"name", monitor.name},
          {"output", monitor.output},
          {"x", monitor.x},
          {"y", monitor.y},
          {"width", monitor.width},
          {"height", monitor.height},
          {"primary", monitor.primary},
          {"refresh_hz", monitor.refresh_hz},
          {"scale", monitor.scale},
          {"width_mm", monitor.width_mm},
          {"height_mm", monitor.height_mm},
          {"make", monitor.make},
          {"model", monitor.model}};
}

Json to_json(const WindowInfo& window) {
  return {{"source", window.source()},
          {"id", window.id},
          {"title", window.title},
          {"class", window.class_name},
          {"instance", window.instance},
          {"pid", window.pid},
          {"x", window.x},
          {"y", window.y},
          {"width", window.width},
          {"height", window.height},
          {"mapped", window.mapped},
          {"minimised", window.minimised},
          {"active", window.active},
          {"workspace", window.workspace >= 0 ? Json(window.workspace) : Json()}};
}

template <class Value>
Json to_json(const std::vector<Value>& values) {
  Json all = Json::array();
  for (const Value& value : values) all.push_back(to_json(value));
  return all;
}

std::string size_text(uint32_t width, uint32_t height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

std::string place_text(int32_t x, int32_t y) {
  return std::to_string(x) + "," + std::to_string(y);
}

std::string number_text(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::vector<std::string> cells_of(const StreamInfo& stream) {
  return {stream.source,
          size_text(stream.width, stream.height),
          std::string(name(stream.format)),
          std::string(name(stream.memory)),
          std::to_string(stream.slot_count),
          std::to_string(stream.published),
          std::to_string(stream.dropped),
          std::to_string(stream.client_count)};
}

std::vector<std::string> cells_of(const MonitorInfo& monitor) {
  std::string model = monitor.make + (monitor.model.empty() ? "" : " " + monitor.model);
  return {monitor.source(),
          size_text(monitor.width, monitor.height),
          place_text(monitor.x, monitor.y),
          monitor.primary ? "primary" : "-",
          model.empty() ? "-" : std::move(model),
          monitor.refresh_hz > 0 ? number_text("%.2f", monitor.refresh_hz) : "-",
          number_text("%g", monitor.scale)};
}

std::string state_text(const WindowInfo& window) {
  return window.active ? "active" : window.minimised ? "minimised" : window.mapped ? "shown" : "hidden";
}

std::vector<std::string> cells_of(const WindowInfo& window) {
  return {window.source(),
          size_text(window.width, window.height),
          place_text(window.x, window.y),
          state_text(window),
          window.workspace >= 0 ? std::to_string(window.workspace) : "-",
          window.pid > 0 ? std::to_string(window.pid) : "-",
          window.class_name.empty() ? "-" : window.class_name,
          window.title.empty() ? "-" : window.title};
}

std::string text_of(const ClientInfo& client) {
  return "  pid " + std::to_string(client.pid) + ", uid " + std::to_string(client.uid) + ", " +
         (client.name.empty() ? "no name" : client.name) + ": holds " + std::to_string(client.leases_held) +
         ", broken " + std::to_string(client.leases_broken) + ", drops caused " +
         std::to_string(client.drops_caused);
}

std::vector<std::string> stream_lines(const std::vector<StreamInfo>& streams) {
  Table table({"SOURCE", "SIZE", "FORMAT", "MEMORY", "SLOTS", "PUBLISHED", "DROPPED", "CLIENTS"}, 4);
  for (const StreamInfo& stream : streams) {
    if (stream.available) {
      table.add(cells_of(stream));
    } else {
      table.add_line(stream.source, "unavailable: " + stream.reason);
    }
    for (const ClientInfo& client : stream.clients) table.add_note(text_of(client));
  }
  return table.lines();
}

template <class Value>
std::vector<std::string> lines_of(std::vector<std::string> header, size_t left,
                                  const std::vector<Value>& values, const std::string& withheld) {
  if (values.empty()) return withheld.empty() ? std::vector<std::string>() : std::vector{withheld};
  Table table(std::move(header), left);
  for (const Value& value : values) table.add(cells_of(value));
  return table.lines();
}

}  // namespace

std::vector<std::string> source_lines(const Listing& listing) {
  std::vector<std::string> lines;
  const auto add = [&lines](const std::string& source, const std::string& what) {
    const std::string line = source + '\t' + what;
    const auto same = [&](const std::string& other) { return other.starts_with(source + '\t'); };
    if (std::ranges::none_of(lines, same)) lines.push_back(line);
  };
  for (const StreamInfo& stream : listing.streams) {
    add(stream.source, stream.available ? size_text(stream.width, stream.height) : stream.reason);
  }
  if (!listing.desktop) return lines;
  add("screen", size_text(listing.desktop->width, listing.desktop->height));
  for (const MonitorInfo& monitor : listing.desktop->monitors) {
    add(monitor.source(),
        size_text(monitor.width, monitor.height) + " at " + place_text(monitor.x, monitor.y));
  }
  add("window:active", "the one that has the focus");
  for (const WindowInfo& window : listing.desktop->windows) {
    add(window.source(), window.title.empty() ? window.class_name : window.title);
  }
  for (const WindowInfo& window : listing.desktop->windows) {
    if (!window.class_name.empty()) add("window:class=" + window.class_name, window.title);
  }
  return lines;
}

std::vector<std::string> list_lines(const Listing& listing) {
  std::vector<std::string> lines = stream_lines(listing.streams);
  const auto add = [&lines](std::vector<std::string> part) {
    if (!part.empty()) lines.emplace_back();
    std::ranges::move(part, std::back_inserter(lines));
  };
  if (!listing.desktop) {
    add({"no desktop: " + listing.no_desktop});
    return lines;
  }
  const Desktop& desktop = *listing.desktop;
  add(lines_of({"MONITOR", "SIZE", "PLACE", "PRIMARY", "MODEL", "HZ", "SCALE"}, 5, desktop.monitors,
               desktop.monitors_withheld));
  auto windows = lines_of({"WINDOW", "SIZE", "PLACE", "STATE", "WORKSPACE", "PID", "CLASS", "TITLE"}, 8,
                          desktop.windows, desktop.windows_withheld);
  if (desktop.window_count > desktop.windows.size()) {
    windows.push_back("and " + std::to_string(desktop.window_count - desktop.windows.size()) + " more");
  }
  add(std::move(windows));
  return lines;
}

std::string list_json(const Listing& listing, bool one_line) {
  Json all = {{"daemon_version", listing.daemon_version},
              {"daemon_pid", listing.daemon_pid},
              {"streams", to_json(listing.streams)},
              {"desktop", nullptr},
              {"monitors", Json::array()},
              {"windows", Json::array()}};
  if (listing.desktop) {
    const Desktop& desktop = *listing.desktop;
    all["desktop"] = {{"display", desktop.display},
                      {"width", desktop.width},
                      {"height", desktop.height},
                      {"window_count", desktop.window_count},
                      {"monitors_withheld", desktop.monitors_withheld},
                      {"windows_withheld", desktop.windows_withheld}};
    all["monitors"] = to_json(desktop.monitors);
    all["windows"] = to_json(desktop.windows);
  } else {
    all["no_desktop"] = listing.no_desktop;
  }
  return all.dump(one_line ? -1 : 2);
}

}  // namespace framering::cli
