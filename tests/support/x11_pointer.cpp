#include "tests/support/x11_pointer.h"

#include <xcb/xfixes.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace framering::testing {

namespace {

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
std::unique_ptr<T, FreeDeleter> own(T* reply) {
  if (!reply) throw std::runtime_error("the X server gave no reply");
  return std::unique_ptr<T, FreeDeleter>(reply);
}

void sync(xcb_connection_t* xcb) {
  own(xcb_get_input_focus_reply(xcb, xcb_get_input_focus(xcb), nullptr));
}

}  // namespace

PointerPicture random_picture(std::mt19937& random, uint16_t width, uint16_t height) {
  PointerPicture picture{width, height, static_cast<uint16_t>(random() % width),
                         static_cast<uint16_t>(random() % height)};
  for (int i = 0; i < width * height; ++i) {
    const uint32_t alpha = random() % 3 == 0 ? 255 * (random() % 2) : random() % 256;
    const auto channel = [&] { return alpha > 0 ? static_cast<uint32_t>(random() % (alpha + 1)) : 0; };
    const uint32_t red = channel(), green = channel(), blue = channel();
    picture.argb.push_back(alpha << 24 | red << 16 | green << 8 | blue);
  }
  picture.argb[0] |= 0xff000000;  // not wholly transparent
  return picture;
}

X11Pointer::X11Pointer(const std::string& display) : xcb_(xcb_connect(display.c_str(), nullptr)) {
  if (xcb_connection_has_error(xcb_)) throw std::runtime_error("cannot connect to display " + display);
  screen_ = xcb_setup_roots_iterator(xcb_get_setup(xcb_)).data;
  own(xcb_xfixes_query_version_reply(xcb_, xcb_xfixes_query_version(xcb_, 5, 0), nullptr));
  const auto formats =
      own(xcb_render_query_pict_formats_reply(xcb_, xcb_render_query_pict_formats(xcb_), nullptr));
  for (auto format = xcb_render_query_pict_formats_formats_iterator(formats.get()); format.rem > 0;
       xcb_render_pictforminfo_next(&format)) {
    const auto& direct = format.data->direct;
    if (format.data->depth == 32 && direct.alpha_mask == 0xff && direct.alpha_shift == 24 &&
        direct.red_shift == 16) {
      argb_format_ = format.data->id;
    }
  }
  for (auto screen = xcb_render_query_pict_formats_screens_iterator(formats.get()); screen.rem > 0;
       xcb_render_pictscreen_next(&screen)) {
    for (auto depth = xcb_render_pictscreen_depths_iterator(screen.data); depth.rem > 0;
         xcb_render_pictdepth_next(&depth)) {
      for (auto visual = xcb_render_pictdepth_visuals_iterator(depth.data); visual.rem > 0;
           xcb_render_pictvisual_next(&visual)) {
        if (visual.data->visual == screen_->root_visual) root_format_ = visual.data->format;
      }
    }
  }
  gc_ = xcb_generate_id(xcb_);
  const uint32_t mode = XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS;
  xcb_create_gc(xcb_, gc_, screen_->root, XCB_GC_SUBWINDOW_MODE, &mode);
}

X11Pointer::~X11Pointer() {
  xcb_disconnect(xcb_);
}

void X11Pointer::move(int16_t x, int16_t y) {
  xcb_warp_pointer(xcb_, XCB_NONE, screen_->root, 0, 0, 0, 0, x, y);
  sync(xcb_);
}

xcb_render_picture_t X11Pointer::upload(const PointerPicture& picture, xcb_pixmap_t& pixmap) const {
  pixmap = xcb_generate_id(xcb_);
  xcb_create_pixmap(xcb_, 32, pixmap, screen_->root, picture.width, picture.height);
  const xcb_gcontext_t gc = xcb_generate_id(xcb_);
  xcb_create_gc(xcb_, gc, pixmap, 0, nullptr);
  // In bands: a request has a largest size.
  constexpr uint16_t kRows = 64;
  for (uint16_t y = 0; y < picture.height; y = static_cast<uint16_t>(y + kRows)) {
    const auto rows = std::min<uint16_t>(kRows, static_cast<uint16_t>(picture.height - y));
    xcb_put_image(xcb_, XCB_IMAGE_FORMAT_Z_PIXMAP, pixmap, gc, picture.width, rows, 0,
                  static_cast<int16_t>(y), 0, 32, uint32_t{4} * picture.width * rows,
                  reinterpret_cast<const uint8_t*>(&picture.argb[size_t{y} * picture.width]));
  }
  xcb_free_gc(xcb_, gc);
  const xcb_render_picture_t source = xcb_generate_id(xcb_);
  xcb_render_create_picture(xcb_, source, pixmap, argb_format_, 0, nullptr);
  return source;
}

void X11Pointer::show(const PointerPicture& picture) {
  xcb_pixmap_t pixmap = 0;
  const xcb_render_picture_t source = upload(picture, pixmap);
  const xcb_cursor_t cursor = xcb_generate_id(xcb_);
  xcb_render_create_cursor(xcb_, cursor, source, picture.hot_x, picture.hot_y);
  xcb_change_window_attributes(xcb_, screen_->root, XCB_CW_CURSOR, &cursor);
  xcb_free_cursor(xcb_, cursor);
  xcb_render_free_picture(xcb_, source);
  xcb_free_pixmap(xcb_, pixmap);
  sync(xcb_);
}

PointerPicture X11Pointer::picture() const {
  const auto image = own(xcb_xfixes_get_cursor_image_reply(xcb_, xcb_xfixes_get_cursor_image(xcb_), nullptr));
  const uint32_t* first = xcb_xfixes_get_cursor_image_cursor_image(image.get());
  return {image->width,
          image->height,
          image->xhot,
          image->yhot,
          {first, first + xcb_xfixes_get_cursor_image_cursor_image_length(image.get())}};
}

std::vector<std::byte> X11Pointer::composed() const {
  const uint16_t width = screen_->width_in_pixels;
  const uint16_t height = screen_->height_in_pixels;
  const xcb_pixmap_t below = xcb_generate_id(xcb_);
  xcb_create_pixmap(xcb_, screen_->root_depth, below, screen_->root, width, height);
  xcb_copy_area(xcb_, screen_->root, below, gc_, 0, 0, 0, 0, width, height);
  const xcb_render_picture_t target = xcb_generate_id(xcb_);
  xcb_render_create_picture(xcb_, target, below, root_format_, 0, nullptr);
  const PointerPicture over = picture();
  const auto at = own(xcb_query_pointer_reply(xcb_, xcb_query_pointer(xcb_, screen_->root), nullptr));
  xcb_pixmap_t pixmap = 0;
  const xcb_render_picture_t source = upload(over, pixmap);
  xcb_render_composite(xcb_, XCB_RENDER_PICT_OP_OVER, source, XCB_NONE, target, 0, 0, 0, 0,
                       static_cast<int16_t>(at->root_x - over.hot_x),
                       static_cast<int16_t>(at->root_y - over.hot_y), over.width, over.height);
  const auto image = own(xcb_get_image_reply(
      xcb_, xcb_get_image(xcb_, XCB_IMAGE_FORMAT_Z_PIXMAP, below, 0, 0, width, height, ~0u), nullptr));
  const auto* first = reinterpret_cast<const std::byte*>(xcb_get_image_data(image.get()));
  std::vector<std::byte> pixels(first, first + xcb_get_image_data_length(image.get()));
  for (const xcb_render_picture_t each : {source, target}) xcb_render_free_picture(xcb_, each);
  for (const xcb_pixmap_t each : {pixmap, below}) xcb_free_pixmap(xcb_, each);
  return pixels;
}

}  // namespace framering::testing
