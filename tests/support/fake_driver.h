// The fake CUDA driver's faults and its record of calls, for this process and those that it starts.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace framering::testing {

class FakeDriver {
 public:
  // Before a driver is loaded.
  FakeDriver();
  ~FakeDriver();
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;

  // From now on: "cuMemCreate=2" fails a call, "cuMemCreate=2@3" from its third time on, "" none.
  void fail(const std::string& rules) const;
  // How often it was made, by this process or by all of them.
  size_t calls(const std::string& call, pid_t pid = 0) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace framering::testing
