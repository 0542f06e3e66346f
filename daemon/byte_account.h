// The memory of the streams that one user's clients started. Any thread: pumps allocate it, and it goes when
// the last client that holds it is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "proto/result.h"

namespace framering::daemon {

class ByteAccount;

// Gives its bytes back when destroyed.
class ByteCharge {
 public:
  ByteCharge() = default;  // of nothing
  ByteCharge(ByteCharge&& other) noexcept { *this = std::move(other); }
  ByteCharge& operator=(ByteCharge&& other) noexcept {
    std::swap(account_, other.account_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~ByteCharge();

 private:
  friend class ByteAccount;
  ByteCharge(std::shared_ptr<ByteAccount> account, uint64_t bytes)
      : account_(std::move(account)), bytes_(bytes) {}

  std::shared_ptr<ByteAccount> account_;
  uint64_t bytes_ = 0;
};

class ByteAccount : public std::enable_shared_from_this<ByteAccount> {
 public:
  explicit ByteAccount(uint32_t uid) : uid_(uid) {}

  // From now on; what is there stays.
  void set_limit(uint64_t bytes);
  uint64_t used() const;
  // kQuotaExceeded names the limit.
  proto::Result<ByteCharge> charge(uint64_t bytes);

 private:
  friend class ByteCharge;

  const uint32_t uid_;
  mutable std::mutex mutex_;
  uint64_t limit_ = 0;
  uint64_t used_ = 0;
};

}  // namespace framering::daemon
