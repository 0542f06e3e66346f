// A client of the X server at $DISPLAY that changes it in step with who measures.
#pragma once

#include <xcb/xcb.h>

#include <cstdint>
#include <cstdlib>

namespace framering::bench {

// A window over the whole screen.
class Drawer {
 public:
  Drawer(uint32_t width, uint32_t height) : x11_(xcb_connect(nullptr, nullptr)) {
    const xcb_screen_t* screen = xcb_setup_roots_iterator(xcb_get_setup(x11_)).data;
    window_ = xcb_generate_id(x11_);
    const uint32_t override_redirect = 1;
    xcb_create_window(x11_, XCB_COPY_FROM_PARENT, window_, screen->root, 0, 0, static_cast<uint16_t>(width),
                      static_cast<uint16_t>(height), 0, XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT,
                      XCB_CW_OVERRIDE_REDIRECT, &override_redirect);
    xcb_map_window(x11_, window_);
    gc_ = xcb_generate_id(x11_);
    xcb_create_gc(x11_, gc_, window_, 0, nullptr);
    round_trip();
  }
  ~Drawer() { xcb_disconnect(x11_); }

  void fill(xcb_rectangle_t rectangle) {
    color_ += 0x10305;
    xcb_change_gc(x11_, gc_, XCB_GC_FOREGROUND, &color_);
    xcb_poly_fill_rectangle(x11_, window_, gc_, 1, &rectangle);
    round_trip();
  }
  void round_trip() { std::free(xcb_get_input_focus_reply(x11_, xcb_get_input_focus(x11_), nullptr)); }

 private:
  xcb_connection_t* x11_;
  xcb_window_t window_ = 0;
  xcb_gcontext_t gc_ = 0;
  uint32_t color_ = 0;
};

}  // namespace framering::bench
