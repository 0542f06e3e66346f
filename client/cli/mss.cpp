#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "client/cli/commands.h"

namespace framering::cli {

namespace {

// The Python that this program was installed with, or the first on PATH. A wheel has a script of that Python
// run the program, which lies elsewhere; the script's path is argv[0].
std::string find_python(const std::string& program) {
  const std::string beside = program.substr(0, program.rfind('/') + 1) + "python3";
  return beside.find('/') != std::string::npos && access(beside.c_str(), X_OK) == 0 ? beside : "python3";
}

}  // namespace

int mss(const std::string& program, const std::string& socket, const std::vector<std::string>& arguments) {
  if (!socket.empty()) setenv("FRAMERING_SOCKET", socket.c_str(), 1);
  const std::string python = find_python(program);
  std::vector<const char*> words{python.c_str(), "-m", "framering.mss"};
  for (const std::string& argument : arguments) words.push_back(argument.c_str());
  words.push_back(nullptr);
  execvp(python.c_str(), const_cast<char* const*>(words.data()));
  throw Error(ErrorCode::not_found, "cannot run " + python + ": " + std::strerror(errno),
              "framering mss is a part of the Python package: pip install framering");
}

}  // namespace framering::cli
