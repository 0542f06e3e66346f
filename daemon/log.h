// Logging to stderr: one line a change of state, none a frame.
#pragma once

#include <cstdint>
#include <string>

namespace framering::daemon {

void start_logging(const std::string& level);
void set_log_level(const std::string& level);

// For lines that a client can cause at will: at most `kLinesPerSecond`; what was left out is counted in the
// next line. Io thread only.
class LogLimit {
 public:
  static constexpr uint32_t kLinesPerSecond = 10;

  void warn(const std::string& line, uint64_t now_ns);

 private:
  uint64_t second_ = 0;
  uint32_t lines_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace framering::daemon
