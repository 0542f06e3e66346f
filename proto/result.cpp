#include "proto/result.h"

#include <system_error>

namespace framering::proto {

std::string_view code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal:
      return "internal";
    case ErrorCode::kProtocol:
      return "protocol";
    case ErrorCode::kVersion:
      return "version";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kPermissionDenied:
      return "permission_denied";
    case ErrorCode::kQuotaExceeded:
      return "quota_exceeded";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kMemoryUnavailable:
      return "memory_unavailable";
    case ErrorCode::kOutOfMemory:
      return "out_of_memory";
    case ErrorCode::kAlreadyInUse:
      return "already_in_use";
    case ErrorCode::kDisconnected:
      return "disconnected";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kStreamEnded:
      return "stream_ended";
    case ErrorCode::kLeaseLimit:
      return "lease_limit";
    case ErrorCode::kForked:
      return "forked";
  }
  return "unknown";
}

Error errno_error(ErrorCode code, const std::string& message, int error_number) {
  return Error{code, message + ": " + std::generic_category().message(error_number), {}};
}

}  // namespace framering::proto
