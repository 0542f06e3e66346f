// A private folder for one test, removed with all that is in it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace framering::testing {

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/framering-test-XXXXXX";
    if (!mkdtemp(name)) throw std::runtime_error("no folder in /tmp");
    path_ = name;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace framering::testing
