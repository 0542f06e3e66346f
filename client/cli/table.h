// Text in columns.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace framering::cli {

// What a table shows of a text: as many columns of a terminal as it takes, wide characters two.
size_t columns_of(const std::string& text);

// Its beginning, as far as so many columns hold it.
std::string cut_to_columns(const std::string& text, size_t columns);

class Table {
 public:
  // The first `left` columns are set to the left, the numbers after them to the right.
  Table(std::vector<std::string> header, size_t left);

  void add(std::vector<std::string> cells);
  // A line of its own, which widens the first column alone.
  void add_line(const std::string& first, const std::string& rest);
  void add_note(const std::string& line);  // beneath the row before
  std::vector<std::string> lines() const;

 private:
  struct Line {
    std::vector<std::string> cells;
    std::string rest{};
    bool is_note = false;
  };

  const size_t left_;
  std::vector<size_t> widths_;
  std::vector<Line> lines_;
};

}  // namespace framering::cli
