// One window of a client of its own: what it draws, where it is, and what it shows by an independent grab.
#pragma once

#include <xcb/xcb.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace framering::testing {

struct X11TestWindowOptions {
  xcb_rectangle_t place{20, 30, 300, 200};
  uint8_t depth = 24;  // or 32
  uint16_t border = 0;
  std::string title = "test window";
  std::string class_name = "TestWindow";
};

class X11TestWindow {
 public:
  // Mapped, over all others, once this returns. Throws if there is no such display.
  explicit X11TestWindow(const std::string& display, const X11TestWindowOptions& options = {});
  ~X11TestWindow();
  X11TestWindow(const X11TestWindow&) = delete;
  X11TestWindow& operator=(const X11TestWindow&) = delete;

  xcb_window_t id() const { return window_; }
  std::string source() const;      // "window:0x1a00007"
  xcb_window_t open_input_only();  // a child of the root that has no picture

  // Rectangles in the window and in a child of it.
  void draw_random(std::mt19937& random);
  void fill(xcb_rectangle_t rectangle, uint32_t pixel);  // of the window, over its child
  void move(int16_t x, int16_t y);
  void resize(uint16_t width, uint16_t height);
  void raise();
  void map();
  void unmap();
  void destroy();
  void focus();
  // Each returns after the server has done it.
  void sync();

  // XGetImage of the window.
  std::vector<std::byte> grab();

 private:
  xcb_connection_t* const xcb_;
  xcb_window_t root_ = 0;
  xcb_window_t window_ = 0;
  xcb_window_t child_ = 0;
  xcb_gcontext_t gc_ = 0;
  xcb_gcontext_t over_child_gc_ = 0;
};

}  // namespace framering::testing
