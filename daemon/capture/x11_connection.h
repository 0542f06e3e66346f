// A connection to an X server that has what capturing needs: a local socket, over which it takes our memory,
// and the extensions MIT-SHM, DAMAGE and XFIXES.
#pragma once

#include <xcb/xcb.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "daemon/handed_display.h"
#include "proto/result.h"

namespace framering::daemon {

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
using XcbPtr = std::unique_ptr<T, FreeDeleter>;

class X11Connection {
 public:
  // As open_x11_source().
  static proto::Result<std::unique_ptr<X11Connection>> open(const std::string& display);
  // Over a connection that was handed in. Blocks until the server answers or it is withdrawn.
  static proto::Result<std::unique_ptr<X11Connection>> open(DisplayAccess access);
  ~X11Connection();
  X11Connection(const X11Connection&) = delete;
  X11Connection& operator=(const X11Connection&) = delete;

  xcb_connection_t* xcb() const { return xcb_; }
  const xcb_setup_t& setup() const { return *xcb_get_setup(xcb_); }
  const xcb_screen_t& screen() const { return *screen_; }
  xcb_window_t root() const { return screen_->root; }
  const std::string& name() const { return name_; }  // of the display
  uint8_t damage_event() const { return damage_event_; }
  uint8_t cursor_event() const { return cursor_event_; }
  bool has_monitors() const { return randr_event_ != 0; }  // RANDR 1.5
  bool is_randr_event(uint8_t type) const;
  bool has_screen_saver() const { return saver_event_ != 0; }
  uint8_t saver_event() const { return saver_event_; }
  bool has_window_pictures() const { return has_composite_; }  // Composite 0.2
  bool shares_pixmaps() const { return shares_pixmaps_; }      // says the server; only trying tells
  int fd() const { return xcb_get_file_descriptor(xcb_); }

  bool lost() const { return xcb_connection_has_error(xcb_) != 0; }
  proto::Error gone() const;
  proto::Error failed(const xcb_generic_error_t& error) const;

 private:
  X11Connection(std::string name, xcb_connection_t* xcb);
  proto::Status look_at_server(int screen);
  proto::Status require_local_socket() const;
  proto::Status require_extensions();
  void find_optional_extensions();

  const std::string name_;
  xcb_connection_t* const xcb_;
  const xcb_screen_t* screen_ = nullptr;
  uint8_t damage_event_ = 0;
  uint8_t cursor_event_ = 0;
  uint8_t randr_event_ = 0;
  uint8_t saver_event_ = 0;
  bool has_composite_ = false;
  bool shares_pixmaps_ = false;
};

}  // namespace framering::daemon
