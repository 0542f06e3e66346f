#include "tests/support/fake_driver.h"

#include <stdlib.h>

#include <fstream>
#include <stdexcept>

namespace framering::testing {

FakeDriver::FakeDriver() {
  char name[] = "/tmp/framering-driver-XXXXXX";
  if (!mkdtemp(name)) throw std::runtime_error("no folder for the driver");
  folder_ = name;
  std::filesystem::permissions(folder_, std::filesystem::perms::all);  // for processes of another user
  setenv("FAKE_CUDA_CONTROL", (folder_ / "faults").c_str(), 1);
  setenv("FAKE_CUDA_LOG", (folder_ / "calls").c_str(), 1);
}

FakeDriver::~FakeDriver() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void FakeDriver::fail(const std::string& rules) const {
  // Renamed, so that nobody reads a half of it.
  std::ofstream(folder_ / "new") << rules;
  std::filesystem::rename(folder_ / "new", folder_ / "faults");
}

size_t FakeDriver::calls(const std::string& call, pid_t pid) const {
  std::ifstream record(folder_ / "calls");
  size_t count = 0;
  std::string process, what;
  while (record >> process && std::getline(record >> std::ws, what)) {
    count += what == call && (pid == 0 || process == std::to_string(pid));
  }
  return count;
}

}  // namespace framering::testing
