#include "daemon/byte_account.h"

#include <algorithm>
#include <string>

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;

ByteCharge::~ByteCharge() {
  if (!account_) return;
  std::lock_guard lock(account_->mutex_);
  account_->used_ -= bytes_;
}

void ByteAccount::set_limit(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  limit_ = bytes;
}

uint64_t ByteAccount::used() const {
  std::lock_guard lock(mutex_);
  return used_;
}

proto::Result<ByteCharge> ByteAccount::charge(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  const uint64_t left = limit_ - std::min(limit_, used_);
  if (bytes > left) {
    return Error{ErrorCode::kQuotaExceeded,
                 std::to_string(bytes) + " bytes more for streams started by user " + std::to_string(uid_) +
                     ", who has " + std::to_string(used_) + ": the limit is " + std::to_string(limit_),
                 "close what is not needed, use fewer slots, or raise bytes_per_uid in the configuration"};
  }
  used_ += bytes;
  return ByteCharge(shared_from_this(), bytes);
}

}  // namespace framering::daemon
