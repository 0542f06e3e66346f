// A client that draws on an X server and tells what is on it, over a connection of its own.
#pragma once

#include <xcb/xcb.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace framering::testing {

class X11Desktop {
 public:
  // Throws if there is no such display.
  explicit X11Desktop(const std::string& display);
  ~X11Desktop();
  X11Desktop(const X11Desktop&) = delete;
  X11Desktop& operator=(const X11Desktop&) = delete;

  uint16_t width() const { return width_; }
  uint16_t height() const { return height_; }

  // A few windows that overlap; draw_random() needs them.
  void open_windows(std::mt19937& random);
  // From now on the server draws windows beside the screen and brings them onto it when it has time.
  void redirect_windows();
  // One of: rectangles, lines, text or a scroll in a window; a window moved, resized, raised, hidden or
  // shown.
  void draw_random(std::mt19937& random);
  void fill(xcb_rectangle_t rectangle, uint32_t pixel);  // over all windows
  // Returns after the server has done all of that.
  void sync();

  // The root by XGetImage, in the server's own format, without padding after the last row.
  std::vector<std::byte> grab();

  void blank(bool dark);  // as the screen saver does

  void set_edid(const std::vector<std::byte>& edid);  // of its first output

  // The RandR way; sizes up to the one that the server started with.
  void resize(uint16_t width, uint16_t height);

 private:
  xcb_window_t some_window(std::mt19937& random) const { return windows_[random() % windows_.size()]; }
  void set_foreground(xcb_gcontext_t gc, uint32_t pixel);
  void draw_text(xcb_window_t window, std::mt19937& random);
  void configure(xcb_window_t window, std::mt19937& random);

  xcb_connection_t* const xcb_;
  xcb_window_t root_ = 0;
  uint16_t width_ = 0;
  uint16_t height_ = 0;
  xcb_gcontext_t gc_ = 0;
  xcb_gcontext_t over_windows_gc_ = 0;
  std::vector<xcb_window_t> windows_;
};

}  // namespace framering::testing
