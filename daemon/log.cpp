#include "daemon/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string_view>
#include <utility>

#include "daemon/journal.h"

namespace framering::daemon {

namespace {

// How a line on stderr tells the journal its priority: sd-daemon(3).
class Priority : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& to) override {
    const std::string_view text = prefix(message.level);
    to.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }

 private:
  static std::string_view prefix(spdlog::level::level_enum level) {
    switch (level) {
      case spdlog::level::trace:
      case spdlog::level::debug:
        return "<7>";
      case spdlog::level::warn:
        return "<4>";
      case spdlog::level::err:
        return "<3>";
      case spdlog::level::critical:
        return "<2>";
      default:
        return "<6>";
    }
  }
};

}  // namespace

void set_log_level(const std::string& level) {
  spdlog::set_level(spdlog::level::from_str(level == "warn" ? "warning" : level));
}

void start_logging(const std::string& level) {
  auto logger = spdlog::stderr_logger_mt("frameringd");
  if (stderr_is_the_journal()) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<Priority>('*').set_pattern("%*%v");  // it has its own clock
    logger->set_formatter(std::move(formatter));
  } else {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
  }
  spdlog::set_default_logger(std::move(logger));
  set_log_level(level);
}

void LogLimit::warn(const std::string& line, uint64_t now_ns) {
  const uint64_t second = now_ns / 1'000'000'000;
  if (second != std::exchange(second_, second)) lines_ = 0;
  if (lines_ >= kLinesPerSecond) {
    ++left_out_;
    return;
  }
  ++lines_;
  if (left_out_ == 0) {
    spdlog::warn("{}", line);
  } else {
    spdlog::warn("{} (and {} such lines before it were left out)", line, std::exchange(left_out_, 0));
  }
}

}  // namespace framering::daemon
