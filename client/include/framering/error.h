// Part of the public API.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "framering/export.h"

namespace framering {

enum class ErrorCode : uint16_t {
  internal = 1,
  protocol = 2,            // the two ends do not understand each other
  version = 3,             // the daemon speaks another version; the message says which
  invalid_argument = 4,    // the message says the allowed values
  not_found = 5,           // no such stream; the hint lists what exists
  permission_denied = 6,   // the daemon's policy refuses this user
  quota_exceeded = 7,      // the message says which quota
  unavailable = 8,         // no daemon, or its source cannot serve now
  memory_unavailable = 9,  // the requested kind of memory does not exist there
  out_of_memory = 10,
  already_in_use = 11,
  disconnected = 12,  // the daemon is gone; connect again when it is back
  timeout = 13,       // the daemon did not answer a request
  stream_ended = 14,  // the source is gone; the message says why; Stream::reopen() when it is back
  lease_limit = 15,   // every lease of this stream is held: release a frame first
  forked = 16,        // used in a child of the process that attached: connect again there
};

// Every failure of this library. what() is one sentence with the cause; hint() says what to do, or is empty.
class FRAMERING_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string hint = {})
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

  ErrorCode code() const noexcept { return code_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  ErrorCode code_;
  std::string hint_;
};

}  // namespace framering
