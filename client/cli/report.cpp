#include "client/cli/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace framering::cli {

namespace {

constexpr double kSmallestMs = 1e-3;
constexpr double kStep = 1.01;

template <class... Values>
std::string text(const char* format, Values... values) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, format, values...);
  return buffer;
}

}  // namespace

void Ages::add(double ms) {
  const double steps = std::log(std::max(ms, kSmallestMs) / kSmallestMs) / std::log(kStep);
  ++counts_[std::min(static_cast<size_t>(steps), counts_.size() - 1)];
  ++total_;
}

std::optional<double> Ages::quantile(double share) const {
  if (total_ == 0) return std::nullopt;
  const auto rank = static_cast<uint64_t>(share * static_cast<double>(total_ - 1));
  uint64_t before = 0;
  size_t index = 0;
  while ((before += counts_[index]) <= rank) ++index;
  return kSmallestMs * std::pow(kStep, static_cast<double>(index) + 0.5);
}

void Report::add(const Frame& frame, std::optional<Clock::duration> age) {
  ++frames_;
  pixels_ += uint64_t{frame.width()} * frame.height();
  for (const Rect& rect : frame.damage()) changed_pixels_ += uint64_t{rect.width} * rect.height;
  if (age) ages_.add(std::chrono::duration<double, std::milli>(*age).count());
}

double Report::seconds(Clock::time_point now) const {
  return std::chrono::duration<double>(now - begin_).count();
}
double Report::fps(Clock::time_point now) const {
  return now > begin_ ? static_cast<double>(frames_) / seconds(now) : 0;
}
double Report::changed_percent() const {
  return pixels_ > 0 ? 100 * static_cast<double>(changed_pixels_) / static_cast<double>(pixels_) : 0;
}

std::string Report::delay_and_change() const {
  const auto p50 = ages_.quantile(0.50), p99 = ages_.quantile(0.99);
  return (p50 && p99 ? text("age p50 %.2f p99 %.2f ms, ", *p50, *p99) : "") +
         text("changed %.1f %%", changed_percent());
}

std::string Report::line(const Stream& stream, Clock::time_point now) const {
  return text("%ux%u  %5.1f fps, %llu missed, ", stream.width(), stream.height(), fps(now),
              static_cast<unsigned long long>(missed_)) +
         (frames_ > 0 ? delay_and_change() : "nothing changed");
}

std::string Report::total_line(Clock::time_point now) const {
  return text("%llu frame%s in %.1f s: %.1f fps, %llu missed, ", static_cast<unsigned long long>(frames_),
              frames_ == 1 ? "" : "s", seconds(now), fps(now), static_cast<unsigned long long>(missed_)) +
         (frames_ > 0 ? delay_and_change() : "nothing changed");
}

std::string Report::json(const Stream& stream, Clock::time_point now, bool is_total) const {
  using Json = nlohmann::ordered_json;
  const auto age = [this](double share) {
    const auto ms = ages_.quantile(share);
    return ms ? Json(*ms) : Json();
  };
  const Json line = {{"total", is_total},       {"seconds", seconds(now)},
                     {"width", stream.width()}, {"height", stream.height()},
                     {"frames", frames_},       {"fps", fps(now)},
                     {"missed", missed_},       {"age_p50_ms", age(0.50)},
                     {"age_p99_ms", age(0.99)}, {"changed_percent", changed_percent()}};
  return line.dump();
}

}  // namespace framering::cli
