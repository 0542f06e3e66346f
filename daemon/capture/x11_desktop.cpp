#include "daemon/capture/x11_desktop.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>
#include <vector>

#include "daemon/capture/x11_bell.h"
#include "daemon/capture/x11_caller.h"
#include "daemon/capture/x11_monitors.h"
#include "daemon/capture/x11_window_events.h"
#include "daemon/capture/x11_window_list.h"

namespace framering::daemon {

using proto::DesktopReply;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

class X11Desktop final : public Desktop, private X11Listener {
 public:
  X11Desktop(std::shared_ptr<X11Hub> hub, X11Bell bell)
      : caller_(std::move(hub), std::move(bell)),
        root_events_(caller_.hub(), caller_.connection().root(), XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY) {}
  ~X11Desktop() override { caller_.hub().remove(*this); }

  // Before all else.
  Status attach();

  Result<DesktopReply> look() override;
  Result<bool> may_differ() override;
  int event_fd() const override { return caller_.bell().fd(); }
  void interrupt() override { caller_.interrupt(); }

 private:
  void heard(uint8_t type, const xcb_generic_event_t& event) override;
  void woken() override { note(); }
  void note();
  void listen_to(const std::vector<xcb_window_t>& windows);

  const X11Caller caller_;
  const X11WindowEvents root_events_;
  std::map<xcb_window_t, X11WindowEvents> window_events_;
  X11WindowAtoms atoms_{};
  std::vector<xcb_atom_t> told_properties_;  // what a description is made of; constant once events are heard
  std::atomic<bool> differs_{true};
};

void X11Desktop::note() {
  differs_ = true;
  caller_.bell().ring();
}

Status X11Desktop::attach() {
  const auto atoms = x11_window_atoms(caller_);
  if (!atoms) return atoms.error();
  atoms_ = *atoms;
  told_properties_ = {XCB_ATOM_WM_NAME,   XCB_ATOM_WM_CLASS, XCB_ATOM_RESOURCE_MANAGER,
                      atoms->client_list, atoms->stacking,   atoms->active_window,
                      atoms->net_name,    atoms->net_pid,    atoms->net_desktop,
                      atoms->net_state,   atoms->wm_state};
  caller_.hub().add(*this);
  return Ok{};
}

void X11Desktop::heard(uint8_t type, const xcb_generic_event_t& event) {
  switch (type) {
    case XCB_PROPERTY_NOTIFY:
      if (std::ranges::find(told_properties_,
                            reinterpret_cast<const xcb_property_notify_event_t&>(event).atom) !=
          told_properties_.end()) {
        note();
      }
      break;
    case XCB_CREATE_NOTIFY:
    case XCB_DESTROY_NOTIFY:
    case XCB_MAP_NOTIFY:
    case XCB_UNMAP_NOTIFY:
    case XCB_REPARENT_NOTIFY:
    case XCB_CONFIGURE_NOTIFY:
    case XCB_CIRCULATE_NOTIFY:
    case XCB_FOCUS_IN:
    case XCB_FOCUS_OUT:
      note();
      break;
    default:
      break;
  }
}

Result<bool> X11Desktop::may_differ() {
  caller_.bell().clear();
  const auto fence = caller_.reply<xcb_get_input_focus_reply_t>(xcb_get_input_focus(caller_.xcb()));
  if (!fence) return fence.error();
  return differs_.load();
}

// Before they are asked for what they are: a later change is told by its event.
void X11Desktop::listen_to(const std::vector<xcb_window_t>& windows) {
  std::erase_if(window_events_,
                [&](const auto& each) { return std::ranges::find(windows, each.first) == windows.end(); });
  for (const xcb_window_t window : windows) {
    window_events_.try_emplace(
        window, caller_.hub(), window,
        XCB_EVENT_MASK_STRUCTURE_NOTIFY | XCB_EVENT_MASK_PROPERTY_CHANGE | XCB_EVENT_MASK_FOCUS_CHANGE);
  }
}

Result<DesktopReply> X11Desktop::look() {
  differs_ = false;
  const auto ids = x11_window_ids(caller_, atoms_);
  if (!ids) return ids.error();
  listen_to(*ids);
  auto windows = x11_window_infos(caller_, atoms_, *ids);
  if (!windows) return windows.error();
  auto monitors = describe_x11_monitors(caller_);
  if (caller_.has_ended()) return caller_.ended();
  const X11Screen screen = caller_.hub().screen();
  DesktopReply desktop{
      .display = caller_.connection().name(), .width = screen.width, .height = screen.height};
  if (monitors) {
    desktop.monitors = *std::move(monitors);
  } else {
    desktop.monitors_withheld = monitors.error().text();
  }
  desktop.windows = *std::move(windows);
  desktop.window_count = static_cast<uint32_t>(desktop.windows.size());
  return desktop;
}

}  // namespace

Result<std::unique_ptr<Desktop>> open_x11_desktop(const std::string& display, X11Hubs& hubs) {
  auto hub = hubs.get(display);
  if (!hub) return hub.error();
  auto bell = X11Bell::create();
  if (!bell) return bell.error();
  auto desktop = std::make_unique<X11Desktop>(*std::move(hub), *std::move(bell));
  if (auto attached = desktop->attach(); !attached) return attached.error();
  return std::unique_ptr<Desktop>(std::move(desktop));
}

}  // namespace framering::daemon
