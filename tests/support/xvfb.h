// An X server of the test's own, by itself on a display number that was free. Ends with the object.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "proto/unique_fd.h"
#include "tests/support/child.h"

namespace framering::testing {

struct XvfbOptions {
  std::string screen = "1280x1024x24";   // WIDTHxHEIGHTxDEPTH
  std::vector<std::string> arguments{};  // more of them, such as {"-extension", "DAMAGE"}
  bool require_cookie = false;           // refuse clients that do not use authority_file()
  bool tcp_only = false;                 // reached over TCP and not by a local socket
  std::string display{};                 // in place of a free number: that of a server that was killed
};

class Xvfb {
 public:
  // Waits until the server takes connections; throws if it does not within 20 s.
  explicit Xvfb(const XvfbOptions& options = {});
  ~Xvfb();
  Xvfb(const Xvfb&) = delete;
  Xvfb& operator=(const Xvfb&) = delete;

  const std::string& display() const { return display_; }  // ":99"
  pid_t pid() const { return child_->pid(); }
  std::filesystem::path authority_file() const { return folder_ / "authority"; }

  void stop_responding() const;  // SIGSTOP, and waits until it has stopped
  void kill();                   // SIGKILL, and waits until it is dead; no other server gets its number

 private:
  std::filesystem::path folder_;
  proto::UniqueFd number_;  // kept from other servers while this one has no local socket
  std::string display_;
  std::unique_ptr<Child> child_;
};

}  // namespace framering::testing
