#include "errors.h"

namespace framering::internal {

namespace {

constexpr bool same(ErrorCode ours, proto::ErrorCode wire) {
  return static_cast<uint16_t>(ours) == static_cast<uint16_t>(wire);
}

static_assert(same(ErrorCode::internal, proto::ErrorCode::kInternal));
static_assert(same(ErrorCode::protocol, proto::ErrorCode::kProtocol));
static_assert(same(ErrorCode::version, proto::ErrorCode::kVersion));
static_assert(same(ErrorCode::invalid_argument, proto::ErrorCode::kInvalidArgument));
static_assert(same(ErrorCode::not_found, proto::ErrorCode::kNotFound));
static_assert(same(ErrorCode::permission_denied, proto::ErrorCode::kPermissionDenied));
static_assert(same(ErrorCode::quota_exceeded, proto::ErrorCode::kQuotaExceeded));
static_assert(same(ErrorCode::unavailable, proto::ErrorCode::kUnavailable));
static_assert(same(ErrorCode::memory_unavailable, proto::ErrorCode::kMemoryUnavailable));
static_assert(same(ErrorCode::out_of_memory, proto::ErrorCode::kOutOfMemory));
static_assert(same(ErrorCode::already_in_use, proto::ErrorCode::kAlreadyInUse));
static_assert(same(ErrorCode::disconnected, proto::ErrorCode::kDisconnected));
static_assert(same(ErrorCode::timeout, proto::ErrorCode::kTimeout));
static_assert(same(ErrorCode::stream_ended, proto::ErrorCode::kStreamEnded));
static_assert(same(ErrorCode::lease_limit, proto::ErrorCode::kLeaseLimit));
static_assert(same(ErrorCode::forked, proto::ErrorCode::kForked));

}  // namespace

void raise(const proto::Error& error) {
  throw Error(static_cast<ErrorCode>(error.code), error.message, error.hint);
}

}  // namespace framering::internal
