// A picture that is a pure function of a frame number and carries that number in every row, so that a reader
// of any crop, 8 pixels wide or more, can tell which frame it got and whether it got only that one.
// daemon/capture/README.md gives the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "daemon/frame.h"

namespace framering::daemon {

inline constexpr uint32_t kBarcodePixels = 8;  // the period of the barcode along a row

// BGRX8888 only; `pixels` holds geometry.frame_bytes().
void paint_test_pattern(uint32_t frame_number, const Geometry& geometry, std::span<std::byte> pixels);

// The frame number, if every pixel of the crop belongs to one and the same frame. `pixels` is a picture of
// this geometry, which may itself be a crop of the painted one.
std::optional<uint32_t> read_barcode(std::span<const std::byte> pixels, const Geometry& geometry,
                                     const DamageRect& crop);

}  // namespace framering::daemon
