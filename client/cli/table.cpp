#include "client/cli/table.h"

#include <wchar.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace framering::cli {

namespace {

std::string padding(size_t width, const std::string& text) {
  const size_t taken = columns_of(text);
  return std::string(width > taken ? width - taken : 0, ' ');
}

// The character that valid UTF-8 begins with, which is taken off it.
char32_t take_character(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  char32_t point = length == 1 ? first : first & (0x7fu >> length);
  for (size_t i = 1; i < std::min(length, text.size()); ++i) {
    point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3f);
  }
  text.remove_prefix(std::min(length, text.size()));
  return point;
}

// As the locale says; what it does not know takes one column.
size_t width_of(char32_t character) {
  const int width = wcwidth(static_cast<wchar_t>(character));
  return width >= 0 ? static_cast<size_t>(width) : 1;
}

}  // namespace

size_t columns_of(const std::string& text) {
  size_t columns = 0;
  for (std::string_view rest = text; !rest.empty();) columns += width_of(take_character(rest));
  return columns;
}

std::string cut_to_columns(const std::string& text, size_t columns) {
  size_t taken = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t begin = text.size() - rest.size();
    taken += width_of(take_character(rest));
    if (taken > columns) return text.substr(0, begin);
  }
  return text;
}

Table::Table(std::vector<std::string> header, size_t left) : left_(left), widths_(header.size()) {
  add(std::move(header));
}

void Table::add(std::vector<std::string> cells) {
  for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], columns_of(cells[i]));
  lines_.push_back({std::move(cells)});
}

void Table::add_line(const std::string& first, const std::string& rest) {
  widths_[0] = std::max(widths_[0], columns_of(first));
  lines_.push_back({{first}, rest});
}

void Table::add_note(const std::string& line) {
  lines_.push_back({{}, line, true});
}

std::vector<std::string> Table::lines() const {
  std::vector<std::string> all;
  for (const Line& line : lines_) {
    std::string text;
    for (size_t i = 0; i < line.cells.size(); ++i) {
      const std::string& cell = line.cells[i];
      const bool is_last = i + 1 == line.cells.size() && line.rest.empty();
      if (i > 0) text += "  ";
      if (i >= left_) text += padding(widths_[i], cell);
      text += cell;
      if (i < left_ && !is_last) text += padding(widths_[i], cell);
    }
    if (!line.rest.empty()) text += (line.is_note ? "" : "  ") + line.rest;
    all.push_back(std::move(text));
  }
  return all;
}

}  // namespace framering::cli
