// The description of a desktop, which has most fields of all messages.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "proto/message_codec.h"

namespace framering::proto {

namespace {

// What one takes at most besides its texts: fields, vtable, offsets, lengths and padding.
constexpr size_t kWindowBytes = 160;
constexpr size_t kReplyBytes = 256 + 3 * kMaxText;
constexpr size_t kMonitorBytes = 224 + 4 * kMaxMonitorName + kEdidBytes;
static_assert(kMaxListedMonitors * kMonitorBytes + kReplyBytes + kWindowBytes + size_t{3} * kMaxWindowText <
              kMaxMessageBytes);

size_t bytes_of(const WindowInfo& window) {
  return kWindowBytes + window.title.size() + window.class_name.size() + window.instance.size();
}

flatbuffers::Offset<fb::MonitorInfo> encode_one(Builder& b, const MonitorInfo& m) {
  const auto name = b.CreateString(m.name), output = b.CreateString(m.output), make = b.CreateString(m.make),
             model = b.CreateString(m.model);
  const Bytes edid = m.edid.empty() ? Bytes{} : create_bytes(b, m.edid);
  return fb::CreateMonitorInfo(b, name, output, m.x, m.y, m.width, m.height, m.primary, m.order, m.refresh_hz,
                               m.scale, m.width_mm, m.height_mm, make, model, edid);
}

flatbuffers::Offset<fb::WindowInfo> encode_one(Builder& b, const WindowInfo& m) {
  const auto title = b.CreateString(m.title), class_name = b.CreateString(m.class_name),
             instance = b.CreateString(m.instance);
  return fb::CreateWindowInfo(b, m.id, title, class_name, instance, m.pid, m.x, m.y, m.width, m.height,
                              m.mapped, m.minimised, m.active, m.workspace);
}

bool is_positive(double value) {
  return std::isfinite(value) && value >= 0;
}

Result<MonitorInfo> decode_one(const fb::MonitorInfo& m) {
  MonitorInfo monitor{.x = m.x(),
                      .y = m.y(),
                      .width = m.width(),
                      .height = m.height(),
                      .primary = m.primary(),
                      .order = m.order(),
                      .refresh_hz = m.refresh_hz(),
                      .scale = m.scale(),
                      .width_mm = m.width_mm(),
                      .height_mm = m.height_mm()};
  if (!take(m.name(), monitor.name, kMaxMonitorName) || !take(m.output(), monitor.output, kMaxMonitorName) ||
      !take(m.make(), monitor.make, kMaxMonitorName) || !take(m.model(), monitor.model, kMaxMonitorName)) {
    return bad_field("monitor: at most 64 bytes of text");
  }
  if (!is_positive(monitor.refresh_hz) || !is_positive(monitor.scale)) return bad_field("monitor: no number");
  const auto edid = view(m.edid());
  if (!edid.empty() && edid.size() != kEdidBytes) return bad_field("edid: 128 bytes, or none");
  monitor.edid.assign(edid.begin(), edid.end());
  return monitor;
}

Result<WindowInfo> decode_one(const fb::WindowInfo& m) {
  WindowInfo window{.id = m.id(),
                    .pid = m.pid(),
                    .x = m.x(),
                    .y = m.y(),
                    .width = m.width(),
                    .height = m.height(),
                    .mapped = m.mapped(),
                    .minimised = m.minimised(),
                    .active = m.active(),
                    .workspace = m.workspace()};
  if (!take(m.title(), window.title, kMaxWindowText) ||
      !take(m.class_name(), window.class_name, kMaxWindowText) ||
      !take(m.instance(), window.instance, kMaxWindowText)) {
    return bad_field("window: at most 256 bytes of text");
  }
  return window;
}

template <class Value, class From>
Status decode_all(const flatbuffers::Vector<flatbuffers::Offset<From>>* from, std::vector<Value>& to) {
  for (flatbuffers::uoffset_t i = 0; from && i < from->size(); ++i) {
    auto one = decode_one(*from->Get(i));
    if (!one) return one.error();
    to.push_back(*std::move(one));
  }
  return Ok{};
}

}  // namespace

Encoded encode_body(Builder& b, const DesktopReply& m) {
  std::vector<flatbuffers::Offset<fb::MonitorInfo>> monitors;
  for (const MonitorInfo& monitor : m.monitors) {
    if (monitors.size() < kMaxListedMonitors) monitors.push_back(encode_one(b, monitor));
  }
  size_t room = kMaxMessageBytes - kReplyBytes - monitors.size() * kMonitorBytes;
  std::vector<flatbuffers::Offset<fb::WindowInfo>> windows;
  for (const WindowInfo& window : m.windows) {
    if (bytes_of(window) > room || windows.size() == kMaxListedWindows) break;
    room -= bytes_of(window);
    windows.push_back(encode_one(b, window));
  }
  const auto display = b.CreateString(as_text(m.display, kMaxText)),
             monitors_withheld = b.CreateString(as_text(m.monitors_withheld, kMaxText)),
             windows_withheld = b.CreateString(as_text(m.windows_withheld, kMaxText));
  const auto all_monitors = b.CreateVector(monitors);
  const auto all_windows = b.CreateVector(windows);
  return {fb::Body::DesktopReply,
          fb::CreateDesktopReply(b, display, m.width, m.height, all_monitors, all_windows, m.window_count,
                                 monitors_withheld, windows_withheld)
              .Union()};
}

Result<Body> decode_body(const fb::DesktopReply& m) {
  DesktopReply reply{.width = m.width(), .height = m.height(), .window_count = m.window_count()};
  if (!take(m.display(), reply.display) || !take(m.monitors_withheld(), reply.monitors_withheld) ||
      !take(m.windows_withheld(), reply.windows_withheld)) {
    return bad_field("desktop: not text");
  }
  if (const Status monitors = decode_all(m.monitors(), reply.monitors); !monitors) return monitors.error();
  if (const Status windows = decode_all(m.windows(), reply.windows); !windows) return windows.error();
  return Body(std::move(reply));
}

}  // namespace framering::proto
