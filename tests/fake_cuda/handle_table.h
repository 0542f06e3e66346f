// Handles are numbers that are never used twice, in no table: a stale or wrong one is told from a live one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace fake_cuda {

inline uint64_t next_handle() {
  static std::atomic<uint64_t> last{0x1000};
  return last += 16;
}

// Any thread.
template <class Handle, class Object>
class HandleTable {
 public:
  Handle add(std::shared_ptr<Object> object) {
    std::lock_guard lock(mutex_);
    const uint64_t number = next_handle();
    objects_.emplace(number, std::move(object));
    return (Handle)number;
  }
  std::shared_ptr<Object> find(Handle handle) const {
    std::lock_guard lock(mutex_);
    const auto found = objects_.find((uint64_t)handle);
    return found == objects_.end() ? nullptr : found->second;
  }
  std::shared_ptr<Object> remove(Handle handle) {
    std::lock_guard lock(mutex_);
    auto node = objects_.extract((uint64_t)handle);
    return node ? std::move(node.mapped()) : nullptr;
  }
  template <class Predicate>
  void remove_if(Predicate&& predicate) {
    std::lock_guard lock(mutex_);
    std::erase_if(objects_, [&](const auto& entry) { return predicate(*entry.second); });
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<Object>> objects_;
};

}  // namespace fake_cuda
