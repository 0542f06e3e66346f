// What `framering doctor` looks at. Each check says what it found and, where something is amiss, what to do.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace framering::cli {

enum class Verdict { kOk, kWarning, kBroken };

struct Check {
  std::string name{};
  Verdict verdict = Verdict::kOk;
  std::string found{};
  std::string fix{};                                      // empty where nothing is amiss
  std::vector<std::pair<std::string, double>> figures{};  // what was measured
};

// The daemon at this socket (empty: the default one): its socket, its answer, its streams, and a second of
// one of them.
std::vector<Check> check_daemon(const std::string& socket);
// The X server of $DISPLAY, as a capturing daemon would meet it.
std::vector<Check> check_display();
// The GPU, as frames in its memory need it.
std::vector<Check> check_gpu();
// Kernel, limits, memory, clock.
std::vector<Check> check_system();

}  // namespace framering::cli
