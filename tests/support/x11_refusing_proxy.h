// An X server that refuses one kind of request of its only client, and does all else. The client goes first.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proto/unique_fd.h"
#include "tests/support/x11_proxy.h"

namespace framering::testing {

class X11RefusingProxy {
 public:
  // Refuses request `minor` of the extension; descriptors are handed on. Throws if the server lacks it.
  X11RefusingProxy(const std::string& server_display, const std::string& extension, uint8_t minor);

  const std::string& display() const { return proxy_.display(); }
  // How many of this extension and kind the client has sent.
  int requests(uint8_t minor) const { return requests_[minor]; }

 private:
  bool pass_requests(int client, int server);
  size_t edit_whole_requests();
  size_t request_bytes(size_t at) const;
  bool send_on(int server, size_t bytes);

  const uint8_t major_;
  const uint8_t minor_;
  proto::UniqueFd passed_;
  std::vector<uint8_t> pending_;
  bool is_set_up_ = false;
  std::array<std::atomic<int>, 256> requests_{};
  X11Proxy proxy_;  // its thread uses all of the others
};

}  // namespace framering::testing
