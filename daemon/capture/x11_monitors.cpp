#include "daemon/capture/x11_monitors.h"

#include <xcb/randr.h>

#include <algorithm>
#include <span>
#include <tuple>
#include <utility>

#include "proto/limits.h"
#include "proto/text.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Result;

namespace {

std::string describe(const X11Monitor& monitor) {
  const X11Area& area = monitor.area;
  return monitor.name + " (" + std::to_string(area.width) + "x" + std::to_string(area.height) + " at " +
         std::to_string(area.x) + "," + std::to_string(area.y) + ")";
}

xcb_randr_output_t main_output(const xcb_randr_monitor_info_t& monitor, xcb_randr_output_t primary) {
  const std::span outputs(xcb_randr_monitor_info_outputs(&monitor), monitor.nOutput);
  if (outputs.empty() || std::ranges::find(outputs, primary) != outputs.end()) {
    return outputs.empty() ? xcb_randr_output_t{} : primary;
  }
  return outputs.front();
}

}  // namespace

Result<std::vector<X11Monitor>> x11_monitors(const X11Caller& caller) {
  if (!caller.connection().has_monitors()) {
    return Error{ErrorCode::kUnavailable,
                 "the X server at " + caller.connection().name() + " lacks the extension RANDR 1.5",
                 "screen and region:X,Y,WIDTHxHEIGHT work without it"};
  }
  xcb_connection_t* xcb = caller.xcb();
  const auto primary_cookie = xcb_randr_get_output_primary(xcb, caller.connection().root());
  const auto reply = caller.reply<xcb_randr_get_monitors_reply_t>(
      xcb_randr_get_monitors(xcb, caller.connection().root(), /*get_active=*/1));
  const auto primary = caller.reply<xcb_randr_get_output_primary_reply_t>(primary_cookie);
  if (!reply) return reply.error();
  if (!primary) return primary.error();
  std::vector<std::pair<X11Monitor, xcb_get_atom_name_cookie_t>> asked;
  for (auto each = xcb_randr_get_monitors_monitors_iterator(reply->get()); each.rem;
       xcb_randr_monitor_info_next(&each)) {
    const xcb_randr_monitor_info_t& info = *each.data;
    asked.emplace_back(X11Monitor{{},
                                  {info.x, info.y, info.width, info.height},
                                  info.primary != 0,
                                  info.width_in_millimeters,
                                  info.height_in_millimeters,
                                  static_cast<uint16_t>(asked.size()),
                                  main_output(*each.data, (*primary)->output)},
                       xcb_get_atom_name(xcb, info.name));
  }
  std::vector<X11Monitor> monitors;
  for (auto& [monitor, cookie] : asked) {
    const auto name = caller.reply<xcb_get_atom_name_reply_t>(cookie);
    if (!name) return name.error();
    const auto length = static_cast<size_t>(xcb_get_atom_name_name_length(name->get()));
    monitor.name = proto::as_text({xcb_get_atom_name_name(name->get()), length}, proto::kMaxMonitorName);
    monitors.push_back(std::move(monitor));
  }
  std::ranges::sort(monitors, [](const X11Monitor& a, const X11Monitor& b) {
    return std::tie(b.primary, a.area.x, a.area.y, a.name) < std::tie(a.primary, b.area.x, b.area.y, b.name);
  });
  return monitors;
}

Result<X11Monitor> find_x11_monitor(const X11Caller& caller, const MonitorName& name) {
  auto monitors = x11_monitors(caller);
  if (!monitors) return monitors.error();
  if (name.name.empty() && name.number <= monitors->size()) return std::move((*monitors)[name.number - 1]);
  std::string list;
  for (X11Monitor& monitor : *monitors) {
    if (!name.name.empty() && monitor.name == name.name) return std::move(monitor);
    list += (list.empty() ? "" : ", ") + describe(monitor);
  }
  return Error{ErrorCode::kNotFound,
               "there is no monitor " + (name.name.empty() ? std::to_string(name.number) : name.name),
               list.empty() ? "the desktop has none" : "there are: " + list};
}

}  // namespace framering::daemon
