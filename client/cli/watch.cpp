#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>

#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/report.h"

namespace framering::cli {

namespace {

class Printer {
 public:
  Printer(const Stream& stream, bool json) : stream_(stream), json_(json) {}

  void second(const Report& report) const {
    const auto now = Clock::now();
    if (json_) {
      std::printf("%s\n", report.json(stream_, now, /*is_total=*/false).c_str());
    } else {
      std::printf(rewrites_ ? "\r\033[K%s" : "%s\n", report.line(stream_, now).c_str());
    }
    flush_standard_output();
  }

  void total(const Report& report) const {
    const auto now = Clock::now();
    if (json_) {
      std::printf("%s\n", report.json(stream_, now, /*is_total=*/true).c_str());
    } else {
      std::printf(rewrites_ ? "\r\033[K%s\n" : "%s\n", report.total_line(now).c_str());
    }
    flush_standard_output();
  }

 private:
  const Stream& stream_;
  const bool json_;
  const bool rewrites_ = isatty(STDOUT_FILENO) != 0;  // one line that changes
};

// Reads until the end, or until interrupted, and prints each second.
void read_frames(Stream& stream, Clock::time_point end, const Printer& printer, Report& total) {
  Report second(total.begin());
  uint64_t missed_before = 0;
  while (!interrupted() && Clock::now() < end) {
    const auto until = std::min(end, second.begin() + std::chrono::seconds(1));
    if (const auto frame = stream.next(until - Clock::now(), [] { return !interrupted(); })) {
      // What was captured before says nothing of how fast frames arrive.
      const Clock::time_point captured{std::chrono::nanoseconds(frame->capture_ns())};
      const auto age = captured >= total.begin() ? std::optional(Clock::now() - captured) : std::nullopt;
      second.add(*frame, age);
      total.add(*frame, age);
      total.set_missed(stream.missed());
    }
    if (Clock::now() < until) continue;
    second.set_missed(stream.missed() - missed_before);
    missed_before = stream.missed();
    printer.second(second);
    second = Report(Clock::now());
  }
}

}  // namespace

int watch(const std::string& socket, const WatchOptions& options) {
  Connection connection = Connection::connect(socket, "framering watch");
  const auto begin = Clock::now();
  Stream stream = connection.open({.source = find_source(connection, options.source), .mode = options.mode});
  end_on_interrupt();
  const auto duration = std::chrono::duration<double>(options.duration_s.value_or(0));
  const auto end = options.duration_s ? begin + std::chrono::duration_cast<Clock::duration>(duration)
                                      : Clock::time_point::max();
  const Printer printer(stream, options.json);
  Report total(begin);
  std::exception_ptr ended;
  try {
    read_frames(stream, end, printer, total);
  } catch (const Error&) {
    ended = std::current_exception();
  }
  printer.total(total);
  if (ended) std::rethrow_exception(ended);
  return kOk;
}

}  // namespace framering::cli
