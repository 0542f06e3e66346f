// The desktop that a session has handed in, on its way to whoever captures it. Any thread.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

// What `display` in the configuration says for it.
inline constexpr const char* kSessionDisplay = "session";

struct DisplayAccess {
  std::string name;        // ":0"
  proto::UniqueFd socket;  // to the X server; nothing was sent yet
  std::string auth_name{};
  std::vector<std::byte> auth_data{};
};

// Holds one at a time.
class HandedDisplay {
 public:
  // kOutOfMemory without a descriptor to withdraw it by.
  proto::Status put(DisplayAccess access);
  // Ends its connection, whoever has taken it.
  void withdraw();
  // What was put and not taken before: a connection can be used once.
  std::optional<DisplayAccess> take();

 private:
  std::mutex mutex_;
  std::optional<DisplayAccess> access_;
  proto::UniqueFd socket_;  // the same connection, as long as it is not withdrawn
};

}  // namespace framering::daemon
