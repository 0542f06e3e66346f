#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "daemon/capture/edid.h"
#include "daemon/capture/x11_monitors.h"
#include "proto/limits.h"
#include "proto/text.h"

namespace framering::daemon {

using proto::MonitorInfo;
using proto::Result;

namespace {

constexpr double kUsualDpi = 96;
constexpr uint32_t kMaxResources = 64 * 1024;  // bytes of RESOURCE_MANAGER

template <class Reply>
using Asked = Result<XcbPtr<Reply>>;

// Dots an inch that programs are asked to draw for: "Xft.dpi:\t192" of the X resources; 0 = not told.
double told_dpi(std::string_view resources) {
  constexpr std::string_view kKey = "Xft.dpi:";
  for (size_t begin = 0; begin < resources.size();) {
    std::string_view line = resources.substr(begin, resources.find('\n', begin) - begin);
    begin += line.size() + 1;
    if (!line.starts_with(kKey)) continue;
    line.remove_prefix(kKey.size());
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    double dpi = 0;
    std::from_chars(line.data(), line.data() + line.size(), dpi);
    return dpi > 0 && dpi < 10'000 ? dpi : 0;
  }
  return 0;
}

// X11 has one scale for all of a display.
Result<double> desktop_scale(const X11Caller& caller) {
  const auto resources = caller.reply<xcb_get_property_reply_t>(
      xcb_get_property(caller.xcb(), 0, caller.connection().root(), XCB_ATOM_RESOURCE_MANAGER,
                       XCB_ATOM_STRING, 0, kMaxResources / 4));
  if (!resources) return resources.error();
  const double dpi = told_dpi({static_cast<const char*>(xcb_get_property_value(resources->get())),
                               static_cast<size_t>(xcb_get_property_value_length(resources->get()))});
  return dpi > 0 ? dpi / kUsualDpi : 1.0;
}

double refresh_of(const xcb_randr_mode_info_t& mode) {
  double lines = mode.vtotal;
  if (mode.mode_flags & XCB_RANDR_MODE_FLAG_DOUBLE_SCAN) lines *= 2;
  if (mode.mode_flags & XCB_RANDR_MODE_FLAG_INTERLACE) lines /= 2;
  return mode.htotal > 0 && lines > 0 ? mode.dot_clock / (mode.htotal * lines) : 0;
}

double refresh_of(const xcb_randr_get_screen_resources_current_reply_t& resources, xcb_randr_mode_t mode) {
  for (auto each = xcb_randr_get_screen_resources_current_modes_iterator(&resources); each.rem;
       xcb_randr_mode_info_next(&each)) {
    if (each.data->id == mode) return refresh_of(*each.data);
  }
  return 0;
}

void take_edid(MonitorInfo& monitor, const Asked<xcb_randr_get_output_property_reply_t>& property) {
  if (!property || (*property)->format != 8) return;
  const std::span<const std::byte> bytes(
      reinterpret_cast<const std::byte*>(xcb_randr_get_output_property_data(property->get())),
      static_cast<size_t>(xcb_randr_get_output_property_data_length(property->get())));
  if (!is_edid(bytes)) return;
  monitor.edid.assign(bytes.begin(), bytes.begin() + proto::kEdidBytes);
  EdidNames names = read_edid(bytes);
  monitor.make = std::move(names.make);
  monitor.model = std::move(names.model);
}

// An output that is unplugged meanwhile tells nothing; the next look does without it.
Result<std::vector<MonitorInfo>> ask_outputs(const X11Caller& caller, const std::vector<X11Monitor>& found,
                                             xcb_atom_t edid, double scale) {
  xcb_connection_t* xcb = caller.xcb();
  const auto resources_cookie = xcb_randr_get_screen_resources_current(xcb, caller.connection().root());
  std::vector<std::pair<xcb_randr_get_output_info_cookie_t, xcb_randr_get_output_property_cookie_t>> asked;
  for (const X11Monitor& monitor : found) {
    asked.emplace_back(xcb_randr_get_output_info(xcb, monitor.output, XCB_CURRENT_TIME),
                       xcb_randr_get_output_property(xcb, monitor.output, edid, XCB_GET_PROPERTY_TYPE_ANY, 0,
                                                     proto::kEdidBytes / 4, 0, 0));
  }
  const auto resources = caller.reply<xcb_randr_get_screen_resources_current_reply_t>(resources_cookie);
  std::vector<MonitorInfo> monitors;
  std::vector<xcb_randr_get_crtc_info_cookie_t> crtcs;
  for (size_t i = 0; i < found.size(); ++i) {
    const X11Monitor& from = found[i];
    MonitorInfo monitor{.name = from.name,
                        .x = from.area.x,
                        .y = from.area.y,
                        .width = from.area.width,
                        .height = from.area.height,
                        .primary = from.primary,
                        .order = from.order,
                        .scale = scale,
                        .width_mm = from.width_mm,
                        .height_mm = from.height_mm};
    const auto output = caller.reply<xcb_randr_get_output_info_reply_t>(asked[i].first);
    take_edid(monitor, caller.reply<xcb_randr_get_output_property_reply_t>(asked[i].second));
    if (output) {
      const auto* name = reinterpret_cast<const char*>(xcb_randr_get_output_info_name(output->get()));
      monitor.output = proto::as_text({name, (*output)->name_len}, proto::kMaxMonitorName);
    }
    crtcs.push_back(
        xcb_randr_get_crtc_info(xcb, output ? (*output)->crtc : xcb_randr_crtc_t{}, XCB_CURRENT_TIME));
    monitors.push_back(std::move(monitor));
  }
  for (size_t i = 0; i < monitors.size(); ++i) {
    const auto crtc = caller.reply<xcb_randr_get_crtc_info_reply_t>(crtcs[i]);
    if (crtc && resources) monitors[i].refresh_hz = refresh_of(**resources, (*crtc)->mode);
  }
  if (caller.has_ended()) return caller.ended();
  return monitors;
}

}  // namespace

Result<std::vector<MonitorInfo>> describe_x11_monitors(const X11Caller& caller) {
  constexpr std::string_view kEdid = "EDID";
  auto found = x11_monitors(caller);
  if (!found) return found.error();
  if (found->size() > proto::kMaxListedMonitors) found->resize(proto::kMaxListedMonitors);
  const auto atom_cookie =
      xcb_intern_atom(caller.xcb(), 0, static_cast<uint16_t>(kEdid.size()), kEdid.data());
  const auto scale = desktop_scale(caller);
  const auto atom = caller.reply<xcb_intern_atom_reply_t>(atom_cookie);
  if (!scale) return scale.error();
  if (!atom) return atom.error();
  return ask_outputs(caller, *found, (*atom)->atom, *scale);
}

}  // namespace framering::daemon
