#include "daemon/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <utility>

namespace framering::daemon {

void set_log_level(const std::string& level) {
  spdlog::set_level(spdlog::level::from_str(level == "warn" ? "warning" : level));
}

void start_logging(const std::string& level) {
  auto logger = spdlog::stderr_logger_mt("frameringd");
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
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
