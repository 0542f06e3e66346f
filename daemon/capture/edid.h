// What a monitor says of itself (VESA E-EDID, base block).
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace framering::daemon {

struct EdidNames {
  std::string make;   // three letters, assigned by UEFI's list of vendors
  std::string model;  // its name, else its product code in hexadecimal
};

// Both empty for bytes that are no EDID.
EdidNames read_edid(std::span<const std::byte> bytes);

// Begins with a base block whose checksum is right.
bool is_edid(std::span<const std::byte> bytes);

}  // namespace framering::daemon
