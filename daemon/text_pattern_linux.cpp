#include <regex.h>

#include <utility>

#include "daemon/text_pattern.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;

struct TextPattern::Compiled {
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    if (valid) regfree(&expression);
  }

  regex_t expression{};
  bool valid = false;
};

namespace {

// What of it is refused; empty if nothing.
std::string unbounded_part(const std::string& pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '{') return "counted repetition is not available; write \\{ for the character";
    if (pattern[i] != '\\') continue;
    ++i;
    if (i < pattern.size() && pattern[i] >= '1' && pattern[i] <= '9')
      return "back-references are not available";
  }
  return {};
}

}  // namespace

proto::Result<TextPattern> TextPattern::compile(const std::string& pattern) {
  if (const std::string part = unbounded_part(pattern); !part.empty()) {
    return Error{ErrorCode::kInvalidArgument, part, {}};
  }
  auto compiled = std::make_shared<Compiled>();
  if (const int error = regcomp(&compiled->expression, pattern.c_str(), REG_EXTENDED | REG_NOSUB)) {
    char text[128];
    regerror(error, &compiled->expression, text, sizeof text);
    return Error{ErrorCode::kInvalidArgument, text, {}};
  }
  compiled->valid = true;
  return TextPattern(std::move(compiled));
}

bool TextPattern::matches(const std::string& text) const {
  return regexec(&compiled_->expression, text.c_str(), 0, nullptr, 0) == 0;
}

}  // namespace framering::daemon
