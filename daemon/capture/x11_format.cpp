#include "daemon/capture/x11_format.h"

#include <sstream>
#include <string>

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::PixelFormat;
using proto::Result;

namespace {

struct Layout {
  uint8_t depth;
  uint32_t bits_per_pixel;
  uint32_t red, green, blue;
  PixelFormat format;
};
constexpr Layout kLayouts[] = {
    {32, 32, 0xff0000, 0xff00, 0xff, PixelFormat::kBgra8888},
    {24, 32, 0xff0000, 0xff00, 0xff, PixelFormat::kBgrx8888},
    {24, 32, 0xff, 0xff00, 0xff0000, PixelFormat::kRgbx8888},
    {30, 32, 0x3ff00000, 0xffc00, 0x3ff, PixelFormat::kXrgb2101010},
    {16, 16, 0xf800, 0x7e0, 0x1f, PixelFormat::kRgb565},
};

const xcb_visualtype_t* find_visual(const xcb_screen_t& screen, xcb_visualid_t id) {
  for (auto depth = xcb_screen_allowed_depths_iterator(&screen); depth.rem; xcb_depth_next(&depth)) {
    for (auto visual = xcb_depth_visuals_iterator(depth.data); visual.rem; xcb_visualtype_next(&visual)) {
      if (visual.data->visual_id == id) return visual.data;
    }
  }
  return nullptr;
}

const xcb_format_t* find_format(const xcb_setup_t& setup, uint8_t depth) {
  for (auto format = xcb_setup_pixmap_formats_iterator(&setup); format.rem; xcb_format_next(&format)) {
    if (format.data->depth == depth) return format.data;
  }
  return nullptr;
}

}  // namespace

Result<PixelFormat> x11_pixel_format(const xcb_setup_t& setup, const xcb_screen_t& screen,
                                     xcb_visualid_t visual_id, uint8_t depth) {
  const xcb_visualtype_t* visual = find_visual(screen, visual_id);
  const xcb_format_t* format = find_format(setup, depth);
  if (!visual || !format)
    return Error{ErrorCode::kUnavailable, "the X server does not describe the visual", {}};

  // Rows of other paddings would not lie stride() apart.
  if (setup.image_byte_order == XCB_IMAGE_ORDER_LSB_FIRST && format->scanline_pad == 32) {
    for (const Layout& layout : kLayouts) {
      if (layout.bits_per_pixel == format->bits_per_pixel && layout.red == visual->red_mask &&
          layout.green == visual->green_mask && layout.blue == visual->blue_mask && layout.depth == depth) {
        return layout.format;
      }
    }
  }
  std::ostringstream found;
  found << "the X server's pixels are of no known format: depth " << int{depth} << ", "
        << int{format->bits_per_pixel} << " bits per pixel, rows padded to " << int{format->scanline_pad}
        << " bits, " << (setup.image_byte_order == XCB_IMAGE_ORDER_LSB_FIRST ? "least" : "most")
        << " significant byte first, masks " << std::hex << visual->red_mask << " " << visual->green_mask
        << " " << visual->blue_mask;
  return Error{ErrorCode::kUnavailable, found.str(), "run the X server with a depth of 24, 30 or 16"};
}

}  // namespace framering::daemon
