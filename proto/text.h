// Text that crosses between processes goes into logs and onto terminals: printable UTF-8, nothing else.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace framering::proto {

// Valid UTF-8 without control characters; an empty text is one.
bool is_text(std::string_view text);

// Made so: whole characters up to `limit` bytes, with "?" for what is no text.
std::string as_text(std::string_view from, size_t limit);

}  // namespace framering::proto
