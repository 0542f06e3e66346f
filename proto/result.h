// Errors as values. An Error names the thing, the cause and what to do; it travels up until someone can act
// on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace framering::proto {

// Wire values: append only. The public framering::ErrorCode mirrors them (static_assert in client/src).
enum class ErrorCode : uint16_t {
  kInternal = 1,
  kProtocol = 2,           // malformed, oversized or out-of-order message
  kVersion = 3,            // the other end speaks another protocol or layout version
  kInvalidArgument = 4,    // the message says the allowed values
  kNotFound = 5,           // no such stream
  kPermissionDenied = 6,   // the policy refuses this peer
  kQuotaExceeded = 7,      // the message says which quota
  kUnavailable = 8,        // exists but cannot serve now (source lost, reconnecting)
  kMemoryUnavailable = 9,  // the requested memory kind does not exist here
  kOutOfMemory = 10,       // memory, disk or descriptors for the ring are missing
  kAlreadyInUse = 11,      // a live daemon serves the socket
  kDisconnected = 12,      // the daemon is gone
  kTimeout = 13,
  kStreamEnded = 14,
  kLeaseLimit = 15,  // every lease of this stream is held
  kForked = 16,      // used in a child of the process that attached
};

inline constexpr uint16_t kErrorCodes = 16;  // 1 to this
// "internal", "permission_denied" ...; "unknown" for what is none.
std::string_view code_name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // one sentence: what failed and why
  std::string hint;     // what to do; may be empty

  std::string text() const { return hint.empty() ? message : message + " (" + hint + ")"; }
};

// "message: strerror(error_number)" under the given code.
Error errno_error(ErrorCode code, const std::string& message, int error_number);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  Error& error() { return std::get<1>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

struct Ok {};
using Status = Result<Ok>;

}  // namespace framering::proto
