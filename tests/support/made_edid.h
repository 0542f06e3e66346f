// EDIDs as a monitor's maker would write them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace framering::testing {

// A base block with this vendor, product and name, by the tables of VESA E-EDID 1.4.
inline std::vector<std::byte> make_edid(const std::string& vendor, uint16_t product,
                                        const std::string& name) {
  std::array<uint8_t, 128> edid{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
  const int letters = (vendor[0] - '@') << 10 | (vendor[1] - '@') << 5 | (vendor[2] - '@');
  edid[8] = static_cast<uint8_t>(letters >> 8);
  edid[9] = static_cast<uint8_t>(letters);
  edid[10] = static_cast<uint8_t>(product);
  edid[11] = static_cast<uint8_t>(product >> 8);
  edid[54] = 0x02;  // a timing
  if (!name.empty()) {
    edid[72 + 3] = 0xfc;
    std::string text = name + (name.size() < 13 ? "\n" : "");
    text.resize(13, ' ');
    std::copy(text.begin(), text.end(), edid.begin() + 72 + 5);
  }
  uint8_t sum = 0;
  for (const uint8_t byte : edid) sum = static_cast<uint8_t>(sum + byte);
  edid[127] = static_cast<uint8_t>(-sum);
  const auto* bytes = reinterpret_cast<const std::byte*>(edid.data());
  return {bytes, bytes + edid.size()};
}

}  // namespace framering::testing
