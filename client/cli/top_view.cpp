#include "client/cli/top_view.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <tuple>

namespace framering::cli {

namespace {

// One stream, or one client of one.
struct Row {
  std::string name, source, size, memory, pid, uid;
  std::optional<double> fps, age_ms;
  double drops = 0, leases = 0, readers = 0, broken = 0;
};

struct Column {
  const char* title;
  int width;  // negative: to the left
  std::function<std::string(const Row&)> text;
};

std::string number(double value, int decimals) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}
std::string optional_number(const std::optional<double>& value, int decimals) {
  return value ? number(*value, decimals) : "-";
}

const MetricFamily* find(const std::vector<MetricFamily>& families, std::string_view name) {
  const auto found = std::ranges::find(families, name, &MetricFamily::name);
  return found == families.end() ? nullptr : &*found;
}

// The value of the sample with these labels among its own; nothing where there is none.
std::optional<double> value_of(const TopSample& sample, std::string_view family, const Labels& labels,
                               std::string_view suffix = {}) {
  const MetricFamily* found = find(sample.families, family);
  if (!found) return std::nullopt;
  for (const Sample& candidate : found->samples) {
    const bool has_all = std::ranges::all_of(labels, [&](const auto& label) {
      const auto own = candidate.labels.find(label.first);
      return own != candidate.labels.end() && own->second == label.second;
    });
    if (has_all && candidate.name.size() == family.size() + suffix.size() &&
        candidate.name.ends_with(suffix)) {
      return candidate.value;
    }
  }
  return std::nullopt;
}

double total(const TopSample& sample, std::string_view family) {
  double sum = 0;
  if (const MetricFamily* found = find(sample.families, family)) {
    for (const Sample& one : found->samples) sum += one.value;
  }
  return sum;
}

void add_rates(Row& row, const TopSample& before, const TopSample& now) {
  const double seconds = std::chrono::duration<double>(now.time - before.time).count();
  const Labels labels{{"source", row.source}};
  const auto grown = [&](std::string_view family, std::string_view suffix = {}) {
    return value_of(now, family, labels, suffix).value_or(0) -
           value_of(before, family, labels, suffix).value_or(0);
  };
  if (seconds <= 0) return;
  row.fps = grown("framering_frames_total") / seconds;
  const double frames = grown("framering_frame_age_seconds", "_count");
  if (frames > 0) row.age_ms = 1e3 * grown("framering_frame_age_seconds", "_sum") / frames;
}

std::vector<Row> streams(const std::optional<TopSample>& before, const TopSample& now) {
  std::vector<Row> rows;
  const MetricFamily* memory = find(now.families, "framering_memory_bytes");
  if (!memory) return rows;
  for (const Sample& sample : memory->samples) {
    Row row;
    row.source = row.name = sample.labels.at("source");
    row.memory = sample.labels.at("memory");
    const Labels labels{{"source", row.source}};
    if (value_of(now, "framering_stream_available", labels) == 1) {
      row.size = number(value_of(now, "framering_stream_width_pixels", labels).value_or(0), 0) + "x" +
                 number(value_of(now, "framering_stream_height_pixels", labels).value_or(0), 0);
    } else {
      row.size = "lost";
    }
    row.drops = value_of(now, "framering_dropped_frames_total", labels).value_or(0);
    row.leases = value_of(now, "framering_leases_held", labels).value_or(0);
    row.readers = value_of(now, "framering_readers", labels).value_or(0);
    if (before) add_rates(row, *before, now);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> clients(const TopSample& now) {
  std::vector<Row> rows;
  const MetricFamily* held = find(now.families, "framering_client_leases_held");
  if (!held) return rows;
  for (const Sample& sample : held->samples) {
    Row row;
    row.name = sample.labels.at("client");
    row.source = sample.labels.at("source");
    row.pid = sample.labels.at("pid");
    row.uid = sample.labels.at("uid");
    row.leases = sample.value;
    row.drops = value_of(now, "framering_client_drops_caused_total", sample.labels).value_or(0);
    row.broken = value_of(now, "framering_client_leases_broken_total", sample.labels).value_or(0);
    rows.push_back(std::move(row));
  }
  return rows;
}

void sort(std::vector<Row>& rows, TopOrder order) {
  const auto key = [order](const Row& row) {
    switch (order) {
      case TopOrder::kFps:
        return row.fps.value_or(0);
      case TopOrder::kAge:
        return row.age_ms.value_or(0);
      case TopOrder::kDrops:
        return row.drops;
      case TopOrder::kLeases:
        return row.leases;
      case TopOrder::kName:
        break;
    }
    return 0.0;
  };
  std::ranges::sort(rows, [&](const Row& a, const Row& b) {
    const double first = key(a), second = key(b);
    return first != second ? first > second
                           : std::tie(a.name, a.pid, a.source) < std::tie(b.name, b.pid, b.source);
  });
}

std::string cell(const std::string& text, int width) {
  const size_t room = static_cast<size_t>(std::abs(width));
  const std::string kept = text.size() > room ? text.substr(0, room - 1) + "~" : text;
  const std::string blanks(room - kept.size(), ' ');
  return width < 0 ? kept + blanks : blanks + kept;
}

void print(const std::vector<Row>& rows, const std::vector<Column>& columns,
           std::vector<std::string>& lines) {
  std::string header;
  for (const Column& column : columns) header += cell(column.title, column.width) + " ";
  lines.push_back(header);
  for (const Row& row : rows) {
    std::string line;
    for (const Column& column : columns) line += cell(column.text(row), column.width) + " ";
    lines.push_back(line);
  }
}

const std::vector<Column>& stream_columns() {
  static const std::vector<Column> columns = {
      {"SOURCE", -22, [](const Row& row) { return row.source; }},
      {"SIZE", -11, [](const Row& row) { return row.size; }},
      {"MEMORY", -8, [](const Row& row) { return row.memory; }},
      {"FPS", 7, [](const Row& row) { return optional_number(row.fps, 1); }},
      {"AGE ms", 7, [](const Row& row) { return optional_number(row.age_ms, 2); }},
      {"DROPS", 6, [](const Row& row) { return number(row.drops, 0); }},
      {"LEASES", 6, [](const Row& row) { return number(row.leases, 0); }},
      {"OPEN", 4, [](const Row& row) { return number(row.readers, 0); }}};
  return columns;
}

const std::vector<Column>& client_columns() {
  static const std::vector<Column> columns = {
      {"CLIENT", -22, [](const Row& row) { return row.name.empty() ? "(no name)" : row.name; }},
      {"PID", 8, [](const Row& row) { return row.pid; }},
      {"UID", 6, [](const Row& row) { return row.uid; }},
      {"LEASES", 6, [](const Row& row) { return number(row.leases, 0); }},
      {"DROPS", 6, [](const Row& row) { return number(row.drops, 0); }},
      {"BROKEN", 6, [](const Row& row) { return number(row.broken, 0); }},
      {"SOURCE", -18, [](const Row& row) { return row.source; }}};
  return columns;
}

}  // namespace

std::vector<std::string> top_lines(const std::optional<TopSample>& before, const TopSample& now,
                                   TopOrder order, size_t rows, size_t columns) {
  std::vector<Row> stream_rows = streams(before, now), client_rows = clients(now);
  sort(stream_rows, order);
  sort(client_rows, order);
  std::vector<std::string> lines;
  lines.push_back("frameringd: clients " + number(total(now, "framering_clients"), 0) + ", streams " +
                  std::to_string(stream_rows.size()) + ", denied " +
                  number(total(now, "framering_denials_total"), 0) + ", errors " +
                  number(total(now, "framering_errors_total"), 0));
  lines.emplace_back();
  print(stream_rows, stream_columns(), lines);
  lines.emplace_back();
  print(client_rows, client_columns(), lines);
  if (lines.size() > rows) {
    const size_t hidden = lines.size() - rows + 1;
    lines.resize(rows - 1);
    lines.push_back("... and " + std::to_string(hidden) + " lines more");
  }
  for (std::string& line : lines) {
    line.resize(std::min(line.size(), columns));
    line.erase(line.find_last_not_of(' ') + 1);
  }
  return lines;
}

}  // namespace framering::cli
