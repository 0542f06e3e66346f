#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/terminal.h"
#include "client/cli/top_view.h"

namespace framering::cli {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kUnbounded = 100'000;
constexpr char kControlC = 3;
constexpr const char* kKeys = "q quit   sort by: n name  f fps  a age  d drops  l leases";

TopSample sample(Connection& connection) {
  auto families = parse_metrics(connection.metrics());
  return {Clock::now(), std::move(families)};
}

// Where nobody looks at a terminal: plain lines, one picture after the other.
int print_on_and_on(Connection& connection, const TopOptions& options, Clock::duration interval) {
  std::optional<TopSample> before = sample(connection);
  for (uint64_t i = 0; options.count == 0 || i < options.count; ++i) {
    std::this_thread::sleep_for(interval);
    TopSample now = sample(connection);
    if (i > 0) std::printf("\n");
    for (const std::string& line : top_lines(before, now, TopOrder::kName, kUnbounded, kUnbounded)) {
      std::printf("%s\n", line.c_str());
    }
    flush_standard_output();
    before = std::move(now);
  }
  return kOk;
}

std::optional<TopOrder> order_of(char key) {
  switch (key) {
    case 'n':
      return TopOrder::kName;
    case 'f':
      return TopOrder::kFps;
    case 'a':
      return TopOrder::kAge;
    case 'd':
      return TopOrder::kDrops;
    case 'l':
      return TopOrder::kLeases;
    default:
      return std::nullopt;
  }
}

int show(Connection& connection, const TopOptions& options, Clock::duration interval) {
  Terminal terminal;
  TopOrder order = TopOrder::kName;
  std::optional<TopSample> before;
  TopSample now = sample(connection);
  for (uint64_t shown = 0;;) {
    const Terminal::Size size = terminal.size();
    auto lines = top_lines(before, now, order, size.rows - 1, size.columns);
    lines.resize(size.rows - 1);
    lines.push_back(std::string(kKeys).substr(0, size.columns));
    terminal.draw(lines);
    const auto next = now.time + interval;
    const char key =
        terminal.key(std::max(milliseconds(0), std::chrono::ceil<milliseconds>(next - Clock::now())));
    if (key == 'q' || key == kControlC) return kOk;
    if (const auto chosen = order_of(key)) order = *chosen;
    if (Clock::now() < next) continue;
    before = std::exchange(now, sample(connection));
    if (++shown == options.count) return kOk;
  }
}

}  // namespace

int top(const std::string& socket, const TopOptions& options) {
  Connection connection = Connection::connect(socket, "framering top");
  const auto interval =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.interval_s));
  return Terminal::is_there() ? show(connection, options, interval)
                              : print_on_and_on(connection, options, interval);
}

}  // namespace framering::cli
