#include "proto/text.h"

#include <algorithm>
#include <cstdint>

namespace framering::proto {

namespace {

// The bytes of the printable character that the text begins with; 0 if it begins with none.
size_t character_bytes(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text[0]);
  if (byte < 0x20 || byte == 0x7f) return 0;
  const size_t length = byte < 0x80         ? 1
                        : byte >> 5 == 0x6  ? 2
                        : byte >> 4 == 0xe  ? 3
                        : byte >> 3 == 0x1e ? 4
                                            : 0;
  if (length == 0 || length > text.size()) return 0;
  uint32_t point = length == 1 ? byte : byte & (0x7fu >> length);
  for (size_t k = 1; k < length; ++k) {
    const auto next = static_cast<unsigned char>(text[k]);
    if (next >> 6 != 0x2) return 0;
    point = point << 6 | (next & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kSmallest[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return 0;
  if (point >= 0x80 && point < 0xa0) return 0;
  return length;
}

}  // namespace

bool is_text(std::string_view text) {
  while (!text.empty()) {
    const size_t length = character_bytes(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string as_text(std::string_view from, size_t limit) {
  std::string text;
  while (!from.empty()) {
    const size_t length = character_bytes(from);
    const std::string_view character = length > 0 ? from.substr(0, length) : "?";
    if (text.size() + character.size() > limit) break;
    text += character;
    from.remove_prefix(std::max<size_t>(length, 1));
  }
  return text;
}

}  // namespace framering::proto
