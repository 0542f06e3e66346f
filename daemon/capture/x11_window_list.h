// The windows that a person would call so, and how one is found by what a client says of it.
#pragma once

#include <xcb/xcb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/capture/x11_caller.h"
#include "daemon/source_name.h"
#include "proto/message.h"
#include "proto/result.h"

namespace framering::daemon {

// The names of what window managers and windows tell by properties.
struct X11WindowAtoms {
  xcb_atom_t manager, client_list, stacking, active_window, net_name, net_pid, net_desktop, net_state, hidden,
      wm_state;
};
proto::Result<X11WindowAtoms> x11_window_atoms(const X11Caller& caller);

// Those that the window manager lists, or, where none runs, the root's children: the topmost first, at most
// kMaxListedWindows. Four round trips at most.
proto::Result<std::vector<xcb_window_t>> x11_window_ids(const X11Caller& caller, const X11WindowAtoms& atoms);
// What these windows tell of themselves, without those that are gone or have no picture: texts printable, at
// most kMaxWindowText bytes each; the place without border and decoration. One round trip.
proto::Result<std::vector<proto::WindowInfo>> x11_window_infos(const X11Caller& caller,
                                                               const X11WindowAtoms& atoms,
                                                               const std::vector<xcb_window_t>& ids);

using X11WindowName = std::variant<WindowId, WindowTitle, WindowClass, ActiveWindow>;

// kNotFound lists the windows that there are; kInvalidArgument those that match, where there are several.
proto::Result<proto::WindowInfo> find_x11_window(const X11Caller& caller, const X11WindowName& name);

// The one that has the focus now; none where no window has it.
proto::Result<std::optional<xcb_window_t>> x11_active_window(const X11Caller& caller,
                                                             const X11WindowAtoms& atoms);

std::string x11_window_text(xcb_window_t id);  // "0x1a00007"

}  // namespace framering::daemon
