// A regular expression that a client wrote, for texts of other programs. POSIX extended syntax; it matches
// anywhere in the text, and case counts.
#pragma once

#include <memory>
#include <string>

#include "proto/result.h"

namespace framering::daemon {

class TextPattern {
 public:
  // kInvalidArgument says what is wrong with it. Counted repetition ({2,3}) and back-references (\1) are
  // refused: with them a short pattern can take memory or time without bound.
  static proto::Result<TextPattern> compile(const std::string& pattern);

  bool matches(const std::string& text) const;

 private:
  struct Compiled;
  explicit TextPattern(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace framering::daemon
