#include "tests/support/x11_desktop.h"

#include <xcb/composite.h>
#include <xcb/randr.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace framering::testing {

namespace {

constexpr int kWindows = 6;

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
std::unique_ptr<T, FreeDeleter> own(T* reply) {
  if (!reply) throw std::runtime_error("the X server gave no reply");
  return std::unique_ptr<T, FreeDeleter>(reply);
}

}  // namespace

X11Desktop::X11Desktop(const std::string& display) : xcb_(xcb_connect(display.c_str(), nullptr)) {
  if (xcb_connection_has_error(xcb_)) throw std::runtime_error("cannot connect to display " + display);
  const xcb_screen_t* screen = xcb_setup_roots_iterator(xcb_get_setup(xcb_)).data;
  root_ = screen->root;
  width_ = screen->width_in_pixels;
  height_ = screen->height_in_pixels;
  gc_ = xcb_generate_id(xcb_);
  const xcb_font_t font = xcb_generate_id(xcb_);
  xcb_open_font(xcb_, font, 5, "fixed");
  xcb_create_gc(xcb_, gc_, root_, XCB_GC_FONT, &font);
  xcb_close_font(xcb_, font);
  over_windows_gc_ = xcb_generate_id(xcb_);
  const uint32_t mode = XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS;
  xcb_create_gc(xcb_, over_windows_gc_, root_, XCB_GC_SUBWINDOW_MODE, &mode);
}

X11Desktop::~X11Desktop() {
  xcb_disconnect(xcb_);
}

void X11Desktop::open_windows(std::mt19937& random) {
  for (int i = 0; i < kWindows; ++i) {
    const xcb_window_t window = xcb_generate_id(xcb_);
    const uint32_t values[] = {static_cast<uint32_t>(random()), /*override_redirect=*/1};
    xcb_create_window(xcb_, XCB_COPY_FROM_PARENT, window, root_, static_cast<int16_t>(random() % width_),
                      static_cast<int16_t>(random() % height_),
                      static_cast<uint16_t>(50 + random() % (width_ / 2)),
                      static_cast<uint16_t>(50 + random() % (height_ / 2)),
                      /*border=*/static_cast<uint16_t>(i), XCB_WINDOW_CLASS_INPUT_OUTPUT,
                      XCB_COPY_FROM_PARENT, XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT, values);
    xcb_map_window(xcb_, window);
    windows_.push_back(window);
  }
  sync();
}

void X11Desktop::redirect_windows() {
  own(xcb_composite_query_version_reply(xcb_, xcb_composite_query_version(xcb_, 0, 4), nullptr));
  xcb_composite_redirect_subwindows(xcb_, root_, XCB_COMPOSITE_REDIRECT_AUTOMATIC);
  sync();
}

void X11Desktop::draw_random(std::mt19937& random) {
  const xcb_window_t window = some_window(random);
  const auto coordinate = [&random] { return static_cast<int16_t>(static_cast<int>(random() % 700) - 50); };
  const auto extent = [&random] { return static_cast<uint16_t>(1 + random() % 120); };
  set_foreground(gc_, static_cast<uint32_t>(random()));
  switch (random() % 8) {
    case 0:
    case 1: {
      const xcb_rectangle_t rectangles[] = {{coordinate(), coordinate(), extent(), extent()},
                                            {coordinate(), coordinate(), extent(), 1}};
      xcb_poly_fill_rectangle(xcb_, window, gc_, 2, rectangles);
      break;
    }
    case 2: {
      const xcb_point_t points[] = {{coordinate(), coordinate()}, {coordinate(), coordinate()}};
      xcb_poly_line(xcb_, XCB_COORD_MODE_ORIGIN, window, gc_, 2, points);
      break;
    }
    case 3:
      draw_text(window, random);
      break;
    case 4:
      xcb_copy_area(xcb_, window, window, gc_, coordinate(), coordinate(), coordinate(), coordinate(),
                    extent(), extent());
      break;
    case 5:
      fill({coordinate(), coordinate(), extent(), extent()}, static_cast<uint32_t>(random()));
      break;
    default:
      configure(window, random);
  }
}

void X11Desktop::draw_text(xcb_window_t window, std::mt19937& random) {
  std::string text(10 + random() % 30, ' ');
  for (char& character : text) character = static_cast<char>(' ' + random() % 95);
  xcb_image_text_8(xcb_, static_cast<uint8_t>(text.size()), window, gc_, static_cast<int16_t>(random() % 300),
                   static_cast<int16_t>(random() % 300), text.c_str());
}

void X11Desktop::configure(xcb_window_t window, std::mt19937& random) {
  const uint32_t values[] = {static_cast<uint32_t>(random() % width_),
                             static_cast<uint32_t>(random() % height_)};
  const uint32_t size[] = {50 + static_cast<uint32_t>(random()) % (width_ / 2u),
                           50 + static_cast<uint32_t>(random()) % (height_ / 2u)};
  const uint32_t above = XCB_STACK_MODE_ABOVE;
  switch (random() % 5) {
    case 0:
      xcb_configure_window(xcb_, window, XCB_CONFIG_WINDOW_WIDTH | XCB_CONFIG_WINDOW_HEIGHT, size);
      break;
    case 1:
      xcb_configure_window(xcb_, window, XCB_CONFIG_WINDOW_STACK_MODE, &above);
      break;
    case 2:
      xcb_unmap_window(xcb_, window);
      break;
    case 3:
      xcb_map_window(xcb_, window);
      break;
    default:
      xcb_configure_window(xcb_, window, XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y, values);
  }
}

void X11Desktop::set_foreground(xcb_gcontext_t gc, uint32_t pixel) {
  xcb_change_gc(xcb_, gc, XCB_GC_FOREGROUND, &pixel);
}

void X11Desktop::fill(xcb_rectangle_t rectangle, uint32_t pixel) {
  set_foreground(over_windows_gc_, pixel);
  xcb_poly_fill_rectangle(xcb_, root_, over_windows_gc_, 1, &rectangle);
}

void X11Desktop::sync() {
  own(xcb_get_input_focus_reply(xcb_, xcb_get_input_focus(xcb_), nullptr));
}

std::vector<std::byte> X11Desktop::grab() {
  const auto cookie = xcb_get_image(xcb_, XCB_IMAGE_FORMAT_Z_PIXMAP, root_, 0, 0, width_, height_, ~0u);
  const auto reply = own(xcb_get_image_reply(xcb_, cookie, nullptr));
  const auto* data = reinterpret_cast<const std::byte*>(xcb_get_image_data(reply.get()));
  return {data, data + xcb_get_image_data_length(reply.get())};
}

void X11Desktop::blank(bool dark) {
  xcb_force_screen_saver(xcb_, dark ? XCB_SCREEN_SAVER_ACTIVE : XCB_SCREEN_SAVER_RESET);
  sync();
}

void X11Desktop::set_edid(const std::vector<std::byte>& edid) {
  constexpr std::string_view kName = "EDID";
  const auto atom =
      own(xcb_intern_atom_reply(xcb_, xcb_intern_atom(xcb_, 0, kName.size(), kName.data()), nullptr));
  const auto resources = own(xcb_randr_get_screen_resources_current_reply(
      xcb_, xcb_randr_get_screen_resources_current(xcb_, root_), nullptr));
  const xcb_randr_output_t output = xcb_randr_get_screen_resources_current_outputs(resources.get())[0];
  xcb_randr_change_output_property(xcb_, output, atom->atom, XCB_ATOM_INTEGER, 8, XCB_PROP_MODE_REPLACE,
                                   static_cast<uint32_t>(edid.size()), edid.data());
  sync();
}

void X11Desktop::resize(uint16_t width, uint16_t height) {
  const auto resources = own(xcb_randr_get_screen_resources_current_reply(
      xcb_, xcb_randr_get_screen_resources_current(xcb_, root_), nullptr));
  const xcb_randr_crtc_t crtc = xcb_randr_get_screen_resources_current_crtcs(resources.get())[0];
  // A size smaller than what a CRTC shows is refused, so that it must be off.
  own(xcb_randr_set_crtc_config_reply(
      xcb_,
      xcb_randr_set_crtc_config(xcb_, crtc, XCB_CURRENT_TIME, resources->config_timestamp, 0, 0, XCB_NONE,
                                XCB_RANDR_ROTATION_ROTATE_0, 0, nullptr),
      nullptr));
  const auto cookie = xcb_randr_set_screen_size_checked(xcb_, root_, width, height, 300, 200);
  if (auto* error = xcb_request_check(xcb_, cookie)) {
    std::free(error);
    throw std::runtime_error("the X server refused to change its size");
  }
  width_ = width;
  height_ = height;
}

}  // namespace framering::testing
