// The commands of `framering`. Each throws framering::Error for what fails and returns the exit code
// otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/source.h"
#include "framering/framering.h"

namespace framering::cli {

enum ExitCode { kOk = 0, kFailed = 1, kUsage = 2, kNoDaemon = 3, kTimeout = 4, kEnded = 5, kWarnings = 6 };

struct ListOptions {
  bool watch = false;    // again at each change
  bool sources = false;  // for completions: a line for each source, with a tab and what it is
  bool json = false;
};
struct GrabOptions {
  SourceOptions source;
  std::string output;  // "-" = standard output
  double timeout_s = 5;
  bool cursor = false;  // with the pointer
  bool json = false;
};
struct WatchOptions {
  SourceOptions source;
  Mode mode = Mode::latest;
  std::optional<double> duration_s;  // none: until Ctrl-C
  bool json = false;
};

struct StatsOptions {
  bool json = false;
};
struct PolicyOptions {
  std::string source;
  std::optional<uint32_t> uid;  // none: one's own
};
struct DoctorOptions {
  bool json = false;
};
struct TopOptions {
  double interval_s = 1;
  uint64_t count = 0;  // 0: until the end
};

int list(const std::string& socket, const ListOptions& options);
int grab(const std::string& socket, const GrabOptions& options);
int watch(const std::string& socket, const WatchOptions& options);
int stats(const std::string& socket, const StatsOptions& options);
// kFailed where it is denied.
int policy_check(const std::string& socket, const PolicyOptions& options);
int reload(const std::string& socket);
int doctor(const std::string& socket, const DoctorOptions& options);
int top(const std::string& socket, const TopOptions& options);
// The mss command of the Python package with these arguments, by the python3 beside `program` (argv[0]) or on
// PATH. Returns only if it cannot be run.
int mss(const std::string& program, const std::string& socket, const std::vector<std::string>& arguments);
// A completion script for bash, zsh or fish on standard output.
int completion(const std::string& shell);

}  // namespace framering::cli
