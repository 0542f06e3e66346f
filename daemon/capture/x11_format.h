// What the bytes of a window's picture mean.
#pragma once

#include <xcb/xcb.h>

#include "proto/pixel_format.h"
#include "proto/result.h"

namespace framering::daemon {

// From the depth, the bits per pixel, the row padding, the byte order and the colour masks. kUnavailable,
// with what it found, for a picture that would have to be published under a wrong name.
proto::Result<proto::PixelFormat> x11_pixel_format(const xcb_setup_t& setup, const xcb_screen_t& screen,
                                                   xcb_visualid_t visual, uint8_t depth);

}  // namespace framering::daemon
