#include "tests/support/x11_window.h"

#include <cstdlib>
#include <cstring>
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

xcb_visualid_t visual_of(const xcb_screen_t& screen, uint8_t depth) {
  for (auto each = xcb_screen_allowed_depths_iterator(&screen); each.rem; xcb_depth_next(&each)) {
    if (each.data->depth == depth && each.data->visuals_len > 0) {
      return xcb_depth_visuals(each.data)[0].visual_id;
    }
  }
  throw std::runtime_error("the X server has no such depth");
}

}  // namespace

X11TestWindow::X11TestWindow(const std::string& display, const X11TestWindowOptions& options)
    : xcb_(xcb_connect(display.c_str(), nullptr)) {
  if (xcb_connection_has_error(xcb_)) throw std::runtime_error("cannot connect to display " + display);
  const xcb_screen_t& screen = *xcb_setup_roots_iterator(xcb_get_setup(xcb_)).data;
  root_ = screen.root;
  const xcb_visualid_t visual = visual_of(screen, options.depth);
  const xcb_colormap_t colormap = xcb_generate_id(xcb_);
  xcb_create_colormap(xcb_, XCB_COLORMAP_ALLOC_NONE, colormap, root_, visual);
  window_ = xcb_generate_id(xcb_);
  const uint32_t values[] = {0x80406080, 0xff00ff00, colormap};
  xcb_create_window(xcb_, options.depth, window_, root_, options.place.x, options.place.y,
                    options.place.width, options.place.height, options.border, XCB_WINDOW_CLASS_INPUT_OUTPUT,
                    visual, XCB_CW_BACK_PIXEL | XCB_CW_BORDER_PIXEL | XCB_CW_COLORMAP, values);
  child_ = xcb_generate_id(xcb_);
  const uint32_t child_values[] = {0xffc0a080, 0, colormap};
  xcb_create_window(xcb_, options.depth, child_, window_, 10, 10, 60, 40, 2, XCB_WINDOW_CLASS_INPUT_OUTPUT,
                    visual, XCB_CW_BACK_PIXEL | XCB_CW_BORDER_PIXEL | XCB_CW_COLORMAP, child_values);
  xcb_change_property(xcb_, XCB_PROP_MODE_REPLACE, window_, XCB_ATOM_WM_NAME, XCB_ATOM_STRING, 8,
                      static_cast<uint32_t>(options.title.size()), options.title.data());
  const std::string names = options.class_name + '\0' + options.class_name + '\0';
  xcb_change_property(xcb_, XCB_PROP_MODE_REPLACE, window_, XCB_ATOM_WM_CLASS, XCB_ATOM_STRING, 8,
                      static_cast<uint32_t>(names.size()), names.data());
  gc_ = xcb_generate_id(xcb_);
  xcb_create_gc(xcb_, gc_, window_, 0, nullptr);
  over_child_gc_ = xcb_generate_id(xcb_);
  const uint32_t mode = XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS;
  xcb_create_gc(xcb_, over_child_gc_, window_, XCB_GC_SUBWINDOW_MODE, &mode);
  xcb_map_window(xcb_, child_);
  map();
}

X11TestWindow::~X11TestWindow() {
  xcb_disconnect(xcb_);
}

std::string X11TestWindow::source() const {
  char text[32];
  std::snprintf(text, sizeof text, "window:0x%x", window_);
  return text;
}

xcb_window_t X11TestWindow::open_input_only() {
  const xcb_window_t window = xcb_generate_id(xcb_);
  xcb_create_window(xcb_, 0, window, root_, 0, 0, 10, 10, 0, XCB_WINDOW_CLASS_INPUT_ONLY,
                    XCB_COPY_FROM_PARENT, 0, nullptr);
  sync();
  return window;
}

void X11TestWindow::draw_random(std::mt19937& random) {
  const uint32_t pixel = static_cast<uint32_t>(random());
  xcb_change_gc(xcb_, gc_, XCB_GC_FOREGROUND, &pixel);
  const xcb_rectangle_t rectangle{static_cast<int16_t>(random() % 300), static_cast<int16_t>(random() % 200),
                                  static_cast<uint16_t>(1 + random() % 120),
                                  static_cast<uint16_t>(1 + random() % 80)};
  xcb_poly_fill_rectangle(xcb_, random() % 4 == 0 ? child_ : window_, gc_, 1, &rectangle);
}

void X11TestWindow::fill(xcb_rectangle_t rectangle, uint32_t pixel) {
  xcb_change_gc(xcb_, over_child_gc_, XCB_GC_FOREGROUND, &pixel);
  xcb_poly_fill_rectangle(xcb_, window_, over_child_gc_, 1, &rectangle);
  sync();
}

void X11TestWindow::move(int16_t x, int16_t y) {
  const uint32_t values[] = {static_cast<uint32_t>(x), static_cast<uint32_t>(y)};
  xcb_configure_window(xcb_, window_, XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y, values);
  sync();
}

void X11TestWindow::resize(uint16_t width, uint16_t height) {
  const uint32_t values[] = {width, height};
  xcb_configure_window(xcb_, window_, XCB_CONFIG_WINDOW_WIDTH | XCB_CONFIG_WINDOW_HEIGHT, values);
  sync();
}

void X11TestWindow::raise() {
  const uint32_t above = XCB_STACK_MODE_ABOVE;
  xcb_configure_window(xcb_, window_, XCB_CONFIG_WINDOW_STACK_MODE, &above);
  sync();
}

void X11TestWindow::map() {
  xcb_map_window(xcb_, window_);
  sync();
}

void X11TestWindow::unmap() {
  xcb_unmap_window(xcb_, window_);
  sync();
}

void X11TestWindow::destroy() {
  xcb_destroy_window(xcb_, window_);
  sync();
}

void X11TestWindow::focus() {
  xcb_set_input_focus(xcb_, XCB_INPUT_FOCUS_POINTER_ROOT, window_, XCB_CURRENT_TIME);
  sync();
}

void X11TestWindow::sync() {
  own(xcb_get_input_focus_reply(xcb_, xcb_get_input_focus(xcb_), nullptr));
}

std::vector<std::byte> X11TestWindow::grab() {
  const auto size = own(xcb_get_geometry_reply(xcb_, xcb_get_geometry(xcb_, window_), nullptr));
  const auto cookie =
      xcb_get_image(xcb_, XCB_IMAGE_FORMAT_Z_PIXMAP, window_, 0, 0, size->width, size->height, ~0u);
  const auto reply = own(xcb_get_image_reply(xcb_, cookie, nullptr));
  const auto* data = reinterpret_cast<const std::byte*>(xcb_get_image_data(reply.get()));
  return {data, data + xcb_get_image_data_length(reply.get())};
}

}  // namespace framering::testing
