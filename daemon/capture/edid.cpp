#include "daemon/capture/edid.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include "proto/limits.h"
#include "proto/text.h"

namespace framering::daemon {

namespace {

constexpr std::array<uint8_t, 8> kHeader{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
constexpr size_t kDescriptors[] = {54, 72, 90, 108};
constexpr size_t kDescriptorText = 5;  // where it begins
constexpr size_t kDescriptorTextBytes = 13;
constexpr uint8_t kNameDescriptor = 0xfc;

uint8_t at(std::span<const std::byte> bytes, size_t index) {
  return static_cast<uint8_t>(bytes[index]);
}

// Five bits a letter, A = 1.
std::string vendor_letters(uint16_t word) {
  std::string letters;
  for (const int shift : {10, 5, 0}) {
    const int letter = word >> shift & 31;
    letters += letter >= 1 && letter <= 26 ? static_cast<char>('A' + letter - 1) : '?';
  }
  return letters;
}

std::string model_name(std::span<const std::byte> edid) {
  for (const size_t place : kDescriptors) {
    // A timing has a clock where a text has zeros.
    if (at(edid, place) != 0 || at(edid, place + 1) != 0 || at(edid, place + 3) != kNameDescriptor) continue;
    const auto* text = reinterpret_cast<const char*>(edid.data() + place + kDescriptorText);
    std::string_view name(text, kDescriptorTextBytes);
    name = name.substr(0, name.find('\n'));
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!name.empty()) return proto::as_text(name, kDescriptorTextBytes);
  }
  return {};
}

}  // namespace

bool is_edid(std::span<const std::byte> bytes) {
  if (bytes.size() < proto::kEdidBytes) return false;
  uint8_t sum = 0;
  for (size_t i = 0; i < proto::kEdidBytes; ++i) sum = static_cast<uint8_t>(sum + at(bytes, i));
  return sum == 0 && std::ranges::equal(bytes.first(kHeader.size()), std::as_bytes(std::span(kHeader)));
}

EdidNames read_edid(std::span<const std::byte> bytes) {
  if (!is_edid(bytes)) return {};
  EdidNames names{vendor_letters(static_cast<uint16_t>(at(bytes, 8) << 8 | at(bytes, 9))), model_name(bytes)};
  if (names.model.empty()) {
    char code[8];
    std::snprintf(code, sizeof code, "%04X", at(bytes, 10) | at(bytes, 11) << 8);
    names.model = code;
  }
  return names;
}

}  // namespace framering::daemon
