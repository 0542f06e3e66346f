#include "daemon/capture/x11_window_list.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "proto/limits.h"
#include "proto/text.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Result;
using proto::WindowInfo;

namespace {

constexpr size_t kMaxText = proto::kMaxWindowText;
constexpr size_t kMaxListBytes = size_t{4} * 4096;  // far more windows than are told of
constexpr size_t kShown = 8;                        // in an error
constexpr uint32_t kAllWorkspaces = 0xffffffff;
constexpr uint32_t kIconicState = 3;

using Property = XcbPtr<xcb_get_property_reply_t>;

xcb_get_property_cookie_t ask(const X11Caller& caller, xcb_window_t window, xcb_atom_t property,
                              size_t bytes) {
  return xcb_get_property(caller.xcb(), 0, window, property, XCB_GET_PROPERTY_TYPE_ANY, 0,
                          static_cast<uint32_t>(bytes / 4));
}

// Empty where there is no such property.
std::string_view bytes_of(const Property& property) {
  if (!property || property->format != 8) return {};
  return {static_cast<const char*>(xcb_get_property_value(property.get())),
          static_cast<size_t>(xcb_get_property_value_length(property.get()))};
}
std::vector<uint32_t> words_of(const Property& property) {
  if (!property || property->format != 32) return {};
  const auto* words = static_cast<const uint32_t*>(xcb_get_property_value(property.get()));
  return {words, words + xcb_get_property_value_length(property.get()) / 4};
}

// WM_NAME is ISO 8859-1 (STRING, COMPOUND_TEXT), in which some segments may be UTF-8; many a program writes
// UTF-8 all the same.
std::string utf8_of(std::string_view bytes) {
  constexpr std::string_view kUtf8Begins = "\x1b%G", kUtf8Ends = "\x1b%@";
  if (proto::is_text(bytes)) return std::string(bytes);
  std::string text;
  bool is_utf8 = false;
  while (!bytes.empty()) {
    if (const std::string_view mark = is_utf8 ? kUtf8Ends : kUtf8Begins; bytes.starts_with(mark)) {
      is_utf8 = !is_utf8;
      bytes.remove_prefix(mark.size());
      continue;
    }
    const auto byte = static_cast<unsigned char>(bytes[0]);
    if (is_utf8 || byte < 0x80) {
      text += bytes[0];
    } else {
      text += static_cast<char>(0xc0 | byte >> 6);
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
    bytes.remove_prefix(1);
  }
  return text;
}

// All that is asked of one window, sent before the first reply is waited for.
struct Asked {
  xcb_window_t id;
  xcb_get_window_attributes_cookie_t attributes;
  xcb_get_geometry_cookie_t geometry;
  xcb_translate_coordinates_cookie_t place;
  xcb_get_property_cookie_t net_name, name, names, pid, desktop, net_state, wm_state;
};

Asked ask_all(const X11Caller& caller, const X11WindowAtoms& atoms, xcb_window_t id) {
  xcb_connection_t* xcb = caller.xcb();
  return {id,
          xcb_get_window_attributes(xcb, id),
          xcb_get_geometry(xcb, id),
          xcb_translate_coordinates(xcb, id, caller.connection().root(), 0, 0),
          ask(caller, id, atoms.net_name, kMaxText),
          ask(caller, id, XCB_ATOM_WM_NAME, kMaxText),
          ask(caller, id, XCB_ATOM_WM_CLASS, 2 * kMaxText),
          ask(caller, id, atoms.net_pid, 4),
          ask(caller, id, atoms.net_desktop, 4),
          ask(caller, id, atoms.net_state, 128),
          ask(caller, id, atoms.wm_state, 8)};
}

// Nothing for a window that died meanwhile, or that has no picture. All replies are taken in, whatever they
// say.
std::optional<WindowInfo> info_of(const X11Caller& caller, const X11WindowAtoms& atoms, const Asked& asked) {
  const auto property = [&](xcb_get_property_cookie_t cookie) {
    auto reply = caller.reply<xcb_get_property_reply_t>(cookie);
    return reply ? *std::move(reply) : Property();
  };
  const auto attributes = caller.reply<xcb_get_window_attributes_reply_t>(asked.attributes);
  const auto geometry = caller.reply<xcb_get_geometry_reply_t>(asked.geometry);
  const auto place = caller.reply<xcb_translate_coordinates_reply_t>(asked.place);
  const Property net_name = property(asked.net_name), name = property(asked.name),
                 names = property(asked.names), pid = property(asked.pid), desktop = property(asked.desktop),
                 net_state = property(asked.net_state), wm_state = property(asked.wm_state);
  if (!attributes || !geometry || !place || (*attributes)->_class == XCB_WINDOW_CLASS_INPUT_ONLY) return {};
  WindowInfo info;
  info.id = asked.id;
  info.title = proto::as_text(
      bytes_of(net_name).empty() ? utf8_of(bytes_of(name)) : std::string(bytes_of(net_name)), kMaxText);
  const std::string_view both = bytes_of(names);
  const size_t end = both.find('\0');
  info.instance = proto::as_text(both.substr(0, end), kMaxText);
  if (end != std::string_view::npos) {
    const std::string_view second = both.substr(end + 1);
    info.class_name = proto::as_text(second.substr(0, second.find('\0')), kMaxText);
  }
  if (const auto words = words_of(pid); !words.empty()) info.pid = words[0];
  if (const auto words = words_of(desktop); !words.empty() && words[0] != kAllWorkspaces) {
    info.workspace = static_cast<int32_t>(words[0]);
  }
  info.x = (*place)->dst_x;
  info.y = (*place)->dst_y;
  info.width = (*geometry)->width;
  info.height = (*geometry)->height;
  info.mapped = (*attributes)->map_state == XCB_MAP_STATE_VIEWABLE;
  const auto state = words_of(wm_state);
  const auto states = words_of(net_state);
  info.minimised = (!state.empty() && state[0] == kIconicState && !info.mapped) ||
                   std::ranges::find(states, atoms.hidden) != states.end();
  return info;
}

std::string list_of(const std::vector<WindowInfo>& windows) {
  std::string list;
  for (size_t i = 0; i < std::min(windows.size(), kShown); ++i) {
    list += (list.empty() ? "" : ", ") + x11_window_text(windows[i].id) + " \"" +
            (windows[i].title.empty() ? windows[i].class_name : windows[i].title) + "\"";
  }
  return windows.size() > kShown ? list + " and " + std::to_string(windows.size() - kShown) + " more" : list;
}

std::string text_of(const X11WindowName& name) {
  if (const auto* id = std::get_if<WindowId>(&name)) return "the id " + x11_window_text(id->id);
  if (const auto* by_class = std::get_if<WindowClass>(&name)) return "the class " + by_class->name;
  return std::holds_alternative<WindowTitle>(name) ? "such a title" : "the focus";
}

}  // namespace

std::string x11_window_text(xcb_window_t id) {
  char text[16] = "0x";
  return {text, std::to_chars(text + 2, text + sizeof text, id, 16).ptr};
}

Result<X11WindowAtoms> x11_window_atoms(const X11Caller& caller) {
  constexpr const char* kNames[] = {"_NET_SUPPORTING_WM_CHECK",
                                    "_NET_CLIENT_LIST",
                                    "_NET_CLIENT_LIST_STACKING",
                                    "_NET_ACTIVE_WINDOW",
                                    "_NET_WM_NAME",
                                    "_NET_WM_PID",
                                    "_NET_WM_DESKTOP",
                                    "_NET_WM_STATE",
                                    "_NET_WM_STATE_HIDDEN",
                                    "WM_STATE"};
  X11WindowAtoms atoms{};
  xcb_atom_t* const to[] = {&atoms.manager,  &atoms.client_list, &atoms.stacking,    &atoms.active_window,
                            &atoms.net_name, &atoms.net_pid,     &atoms.net_desktop, &atoms.net_state,
                            &atoms.hidden,   &atoms.wm_state};
  xcb_intern_atom_cookie_t cookies[std::size(kNames)];
  for (size_t i = 0; i < std::size(kNames); ++i) {
    cookies[i] = xcb_intern_atom(caller.xcb(), 0, static_cast<uint16_t>(std::strlen(kNames[i])), kNames[i]);
  }
  for (size_t i = 0; i < std::size(kNames); ++i) {
    const auto reply = caller.reply<xcb_intern_atom_reply_t>(cookies[i]);
    if (!reply) return reply.error();
    *to[i] = (*reply)->atom;
  }
  return atoms;
}

Result<std::optional<xcb_window_t>> x11_active_window(const X11Caller& caller, const X11WindowAtoms& atoms) {
  const xcb_window_t root = caller.connection().root();
  const auto told = caller.reply<xcb_get_property_reply_t>(ask(caller, root, atoms.active_window, 4));
  if (!told) return told.error();
  if (const auto words = words_of(*told); !words.empty() && words[0] != XCB_NONE)
    return std::optional(words[0]);
  if ((*told)->type != XCB_NONE) return std::optional<xcb_window_t>();
  // Without a window manager: the focus, which an inner window may have.
  const auto focus = caller.reply<xcb_get_input_focus_reply_t>(xcb_get_input_focus(caller.xcb()));
  if (!focus) return focus.error();
  xcb_window_t window = (*focus)->focus;
  while (window > XCB_INPUT_FOCUS_POINTER_ROOT && window != root) {
    const auto tree = caller.reply<xcb_query_tree_reply_t>(xcb_query_tree(caller.xcb(), window));
    if (!tree) return std::optional<xcb_window_t>();
    if ((*tree)->parent == root) return std::optional(window);
    window = (*tree)->parent;
  }
  return std::optional<xcb_window_t>();
}

// It has a window of its own, which goes with it; the lists that it kept stay.
bool has_window_manager(const X11Caller& caller, const X11WindowAtoms& atoms) {
  const auto told =
      caller.reply<xcb_get_property_reply_t>(ask(caller, caller.connection().root(), atoms.manager, 4));
  if (!told || words_of(*told).empty()) return false;
  return bool(caller.reply<xcb_get_window_attributes_reply_t>(
      xcb_get_window_attributes(caller.xcb(), words_of(*told)[0])));
}

// Both lists and the tree are in the order from below to above, or in that of their mapping.
Result<std::vector<xcb_window_t>> x11_window_ids(const X11Caller& caller, const X11WindowAtoms& atoms) {
  const xcb_window_t root = caller.connection().root();
  const auto stacking_cookie = ask(caller, root, atoms.stacking, kMaxListBytes);
  const auto listed_cookie = ask(caller, root, atoms.client_list, kMaxListBytes);
  const auto stacking = caller.reply<xcb_get_property_reply_t>(stacking_cookie);
  const auto listed = caller.reply<xcb_get_property_reply_t>(listed_cookie);
  if (!stacking) return stacking.error();
  if (!listed) return listed.error();
  std::vector<xcb_window_t> ids = words_of(*stacking);
  if (ids.empty()) ids = words_of(*listed);
  if (ids.empty() && !has_window_manager(caller, atoms)) {
    const auto tree = caller.reply<xcb_query_tree_reply_t>(xcb_query_tree(caller.xcb(), root));
    if (!tree) return tree.error();
    const xcb_window_t* children = xcb_query_tree_children(tree->get());
    ids.assign(children, children + xcb_query_tree_children_length(tree->get()));
  }
  std::ranges::reverse(ids);
  if (ids.size() > proto::kMaxListedWindows) ids.resize(proto::kMaxListedWindows);
  return ids;
}

Result<std::vector<WindowInfo>> x11_window_infos(const X11Caller& caller, const X11WindowAtoms& atoms,
                                                 const std::vector<xcb_window_t>& ids) {
  const auto active = x11_active_window(caller, atoms);
  if (!active) return active.error();
  std::vector<Asked> asked;
  for (const xcb_window_t id : ids) asked.push_back(ask_all(caller, atoms, id));
  std::vector<WindowInfo> windows;
  for (const Asked& each : asked) {
    auto info = info_of(caller, atoms, each);
    if (!info) continue;
    info->active = *active == info->id;
    windows.push_back(*std::move(info));
  }
  if (caller.has_ended()) return caller.ended();
  return windows;
}

Result<WindowInfo> find_x11_window(const X11Caller& caller, const X11WindowName& name) {
  const auto atoms = x11_window_atoms(caller);
  if (!atoms) return atoms.error();
  const auto ids = x11_window_ids(caller, *atoms);
  if (!ids) return ids.error();
  const auto windows = x11_window_infos(caller, *atoms, *ids);
  if (!windows) return windows.error();
  std::vector<WindowInfo> matching;
  for (const WindowInfo& window : *windows) {
    const auto* id = std::get_if<WindowId>(&name);
    const auto* title = std::get_if<WindowTitle>(&name);
    const auto* by_class = std::get_if<WindowClass>(&name);
    const bool matches = id         ? window.id == id->id
                         : title    ? title->pattern.matches(window.title)
                         : by_class ? window.class_name == by_class->name || window.instance == by_class->name
                                    : window.active;
    if (matches) matching.push_back(window);
  }
  if (matching.size() == 1) return matching.front();
  if (matching.size() > 1) {
    return Error{
        ErrorCode::kInvalidArgument,
        std::to_string(matching.size()) + " windows have " + text_of(name) + ": " + list_of(matching),
        "name one by its id, such as window:" + x11_window_text(matching.front().id)};
  }
  if (const auto* id = std::get_if<WindowId>(&name)) {
    // One that no window manager lists, such as a part of another.
    if (const auto info = info_of(caller, *atoms, ask_all(caller, *atoms, id->id))) return *info;
  }
  return Error{ErrorCode::kNotFound, "no window has " + text_of(name),
               windows->empty() ? "the desktop shows none" : "there are: " + list_of(*windows)};
}

}  // namespace framering::daemon
