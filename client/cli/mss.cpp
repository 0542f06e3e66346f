#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "client/cli/commands.h"

namespace framering::cli {

namespace {

// The Python that this program was installed with, or the first on PATH.
std::string find_python() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  const std::string program(path, length > 0 ? static_cast<size_t>(length) : 0);
  const std::string beside = program.substr(0, program.rfind('/') + 1) + "python3";
  return access(beside.c_str(), X_OK) == 0 ? beside : "python3";
}

}  // namespace

int mss(const std::string& socket, const std::vector<std::string>& arguments) {
  if (!socket.empty()) setenv("FRAMERING_SOCKET", socket.c_str(), 1);
  const std::string python = find_python();
  std::vector<const char*> words{python.c_str(), "-m", "framering.mss"};
  for (const std::string& argument : arguments) words.push_back(argument.c_str());
  words.push_back(nullptr);
  execvp(python.c_str(), const_cast<char* const*>(words.data()));
  throw Error(ErrorCode::not_found, "cannot run " + python + ": " + std::strerror(errno),
              "framering mss is a part of the Python package: pip install framering");
}

}  // namespace framering::cli
