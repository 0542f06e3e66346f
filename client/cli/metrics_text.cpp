#include "client/cli/metrics_text.h"

#include <charconv>
#include <utility>

#include "framering/framering.h"

namespace framering::cli {

namespace {

[[noreturn]] void refuse(std::string_view line) {
  throw Error(ErrorCode::protocol, "frameringd's metrics have a line that is none: " + std::string(line));
}

// Takes what comes before the separator, and the separator, off the text.
std::string_view take(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

// name="value",...} with \\ and \" in the values.
Labels take_labels(std::string_view& text, std::string_view line) {
  Labels labels;
  while (!text.empty() && text.front() != '}') {
    const std::string name(take(text, '='));
    if (text.empty() || text.front() != '"') refuse(line);
    text.remove_prefix(1);
    std::string value;
    while (!text.empty() && text.front() != '"') {
      if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
      value += text.front();
      text.remove_prefix(1);
    }
    if (text.empty()) refuse(line);
    text.remove_prefix(1);
    if (!text.empty() && text.front() == ',') text.remove_prefix(1);
    labels.emplace(name, std::move(value));
  }
  if (text.empty()) refuse(line);
  text.remove_prefix(1);
  return labels;
}

Sample parse_sample(std::string_view line) {
  Sample sample;
  std::string_view rest = line;
  const size_t end = line.find_first_of("{ ");
  if (end == std::string_view::npos) refuse(line);
  sample.name = line.substr(0, end);
  rest.remove_prefix(end);
  if (rest.front() == '{') {
    rest.remove_prefix(1);
    sample.labels = take_labels(rest, line);
  }
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), sample.value);
  if (parsed.ec != std::errc() || parsed.ptr != rest.data() + rest.size()) refuse(line);
  return sample;
}

}  // namespace

std::vector<MetricFamily> parse_metrics(std::string_view text) {
  std::vector<MetricFamily> families;
  while (!text.empty()) {
    const std::string_view line = take(text, '\n');
    if (line.empty()) continue;
    if (!line.starts_with("# ")) {
      if (families.empty()) refuse(line);
      families.back().samples.push_back(parse_sample(line));
      continue;
    }
    std::string_view rest = line.substr(2);
    const std::string_view kind = take(rest, ' ');
    const std::string_view name = take(rest, ' ');
    if (families.empty() || families.back().name != name) families.push_back({std::string(name), {}, {}, {}});
    if (kind == "HELP") families.back().help = rest;
    if (kind == "TYPE") families.back().type = rest;
  }
  return families;
}

}  // namespace framering::cli
