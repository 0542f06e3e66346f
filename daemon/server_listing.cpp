// What Server does about the list of a desktop: who sees what of it, and who is told when it changes.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/server.h"

namespace framering::daemon {

using proto::DesktopReply;
using proto::MonitorInfo;
using proto::WindowInfo;

namespace {

// Streams and clients come and go as their users like; who watches is told so often at most.
constexpr std::chrono::milliseconds kChangeInterval{50};

std::string id_text(uint32_t id) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%x", id);
  return text;
}

}  // namespace

// Whatever can be opened by one of its names.
DesktopReply Server::visible_to(const Session& session, const DesktopReply& desktop) const {
  if (policy_.is_own(session.subject())) return desktop;
  const auto may = [&](const std::string& source) {
    return policy_.may_open(session.subject(), source, std::nullopt).allowed;
  };
  DesktopReply visible = desktop;
  size_t number = 0;
  std::erase_if(visible.monitors, [&](const MonitorInfo& monitor) {
    ++number;
    return !may("monitor:" + monitor.name) && !may("monitor:" + std::to_string(number));
  });
  std::erase_if(visible.windows, [&](const WindowInfo& window) {
    return !may("window:" + id_text(window.id)) && !may("window:class=" + window.class_name) &&
           !may("window:class=" + window.instance) && !may("window:title=" + window.title);
  });
  visible.window_count = static_cast<uint32_t>(visible.windows.size());
  const auto explain = [&](bool withholds, const std::string& what, std::string& why) {
    if (withholds) why = "the policy lets user " + std::to_string(session.subject().uid) + " see no " + what;
  };
  explain(visible.monitors.empty() && !desktop.monitors.empty(), "monitors", visible.monitors_withheld);
  explain(visible.windows.empty() && !desktop.windows.empty(), "windows", visible.windows_withheld);
  return visible;
}

// Errors about one window or monitor name the others.
proto::Error Server::visible_to(const Session& session, const SourceName& name, proto::Error error) const {
  const std::string_view text = name.text();
  const char* any = text.starts_with("window:")    ? "window:0x0"
                    : text.starts_with("monitor:") ? "monitor:0"
                                                   : "";
  if (*any && !policy_.may_open(session.subject(), any, std::nullopt).allowed) error.hint.clear();
  return error;
}

void Server::find_desktop(const Session& session, std::function<void(proto::Body)> done) {
  desktop_.ask(
      [this, weak = session.weak_from_this(), done = std::move(done)](const DesktopWatcher::Found& found) {
        const auto asker = weak.lock();
        if (!asker) return;
        done(found ? proto::Body(visible_to(*asker, **found)) : proto::Body(found.error()));
      });
}

void Server::count_watching(int change) {
  watching_ += change;
  desktop_.watch(watching_ > 0);
}

void Server::tell_change() {
  for (const auto& [key, session] : sessions_) session->tell_change();
}

void Server::tell_change_soon() {
  if (std::exchange(change_pending_, true)) return;
  change_timer_.expires_after(kChangeInterval);
  change_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    change_pending_ = false;
    tell_change();
  });
}

}  // namespace framering::daemon
