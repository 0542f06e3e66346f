// The commands of `framering`. Each throws framering::Error for what fails and returns the exit code
// otherwise.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framering/framering.h"

namespace framering::cli {

enum ExitCode { kOk = 0, kFailed = 1, kUsage = 2, kNoDaemon = 3, kTimeout = 4, kEnded = 5 };

struct ListOptions {
  bool json = false;
};
struct GrabOptions {
  std::string source = "screen";
  std::string output;  // "-" = standard output
  double timeout_s = 5;
  bool json = false;
};
struct WatchOptions {
  std::string source = "screen";
  Mode mode = Mode::latest;
  std::optional<double> duration_s;  // none: until Ctrl-C
  bool json = false;
};

int list(const std::string& socket, const ListOptions& options);
int grab(const std::string& socket, const GrabOptions& options);
int watch(const std::string& socket, const WatchOptions& options);
// The mss command of the Python package with these arguments. Returns only if it cannot be run.
int mss(const std::string& socket, const std::vector<std::string>& arguments);
// A completion script for bash, zsh or fish on standard output.
int completion(const std::string& shell);

}  // namespace framering::cli
