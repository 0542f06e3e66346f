// Stands between one client and an X server, on a display of its own.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "proto/unique_fd.h"

namespace framering::testing {

class X11Proxy {
 public:
  // Hands on what is readable at `from`; false ends the connection.
  using Pass = std::function<bool(int from, int to)>;
  // Bytes but no descriptors, as what forwards X11 does.
  static bool pass_bytes(int from, int to);

  // Throws if it cannot listen.
  explicit X11Proxy(const std::string& server_display, Pass requests = pass_bytes);
  ~X11Proxy();  // after its client has gone
  X11Proxy(const X11Proxy&) = delete;
  X11Proxy& operator=(const X11Proxy&) = delete;

  const std::string& display() const { return display_; }

 private:
  void relay(const std::string& server_display) const;

  const std::string display_;
  const Pass requests_;
  proto::UniqueFd listener_;
  std::thread thread_;
};

}  // namespace framering::testing
