// A client that moves an X server's pointer and changes its picture, and tells what is to be seen of it.
#pragma once

#include <xcb/render.h>
#include <xcb/xcb.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace framering::testing {

struct PointerPicture {
  uint16_t width = 0;
  uint16_t height = 0;
  uint16_t hot_x = 0;
  uint16_t hot_y = 0;
  std::vector<uint32_t> argb{};  // premultiplied
  friend bool operator==(const PointerPicture&, const PointerPicture&) = default;
};

// Any colors and transparencies, the hot spot anywhere in it.
PointerPicture random_picture(std::mt19937& random, uint16_t width, uint16_t height);

class X11Pointer {
 public:
  // Throws if there is no such display. Any screen whose root window has a picture format of Render.
  explicit X11Pointer(const std::string& display);
  ~X11Pointer();
  X11Pointer(const X11Pointer&) = delete;
  X11Pointer& operator=(const X11Pointer&) = delete;

  // Each returns after the server has done it.
  void move(int16_t x, int16_t y);
  void show(const PointerPicture& picture);  // over the root window and all that have none of their own

  // As XFixes gives it.
  PointerPicture picture() const;
  // The root window with the pointer over it, composed by the server: XGetImage's bytes of that.
  std::vector<std::byte> composed() const;

 private:
  xcb_render_picture_t upload(const PointerPicture& picture, xcb_pixmap_t& pixmap) const;

  xcb_connection_t* const xcb_;
  const xcb_screen_t* screen_ = nullptr;
  xcb_render_pictformat_t root_format_ = 0;
  xcb_render_pictformat_t argb_format_ = 0;
  xcb_gcontext_t gc_ = 0;
};

}  // namespace framering::testing
