// The terminal while a live view is on it: no echo, keys at once, a screen of its own. Put back as it was at
// the end, also of a throw.
#pragma once

#include <termios.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace framering::cli {

class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static bool is_there();  // on standard input and output

  struct Size {
    size_t rows;
    size_t columns;
  };
  Size size() const;
  void draw(const std::vector<std::string>& lines);
  // The next key, or 0 once this time is over or the terminal has another size. 'q' where it is gone.
  char key(std::chrono::milliseconds patience) const;
  // The next key, or 0 once the descriptor is readable (then true), or the terminal has another size.
  std::pair<char, bool> key_or(int fd) const;

 private:
  static char read_key();

  termios before_{};
};

}  // namespace framering::cli
