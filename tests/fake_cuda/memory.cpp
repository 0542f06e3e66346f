#include "tests/fake_cuda/memory.h"

#include <iterator>

namespace fake_cuda {

Memory& Memory::get() {
  static Memory* instance = new Memory;
  return *instance;
}

Memory::Ranges::const_iterator Memory::find_locked(uintptr_t address) const {
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return ranges_.end();
  const auto found = std::prev(after);
  return address < found->second.end() ? found : ranges_.end();
}

bool Memory::allows(CUdeviceptr address, size_t bytes, Access access) const {
  std::lock_guard lock(mutex_);
  const uintptr_t end = address + bytes;
  if (end < address) return false;
  // A range may go on in the next one, as reservations with several mappings do.
  for (uintptr_t at = address; at < end;) {
    const auto range = find_locked(at);
    if (range == ranges_.end() || range->second.access < access) return false;
    at = range->second.end();
  }
  return true;
}

std::optional<Range> Memory::find(CUdeviceptr address) const {
  std::lock_guard lock(mutex_);
  const auto found = find_locked(address);
  if (found == ranges_.end()) return std::nullopt;
  return found->second;
}

void Memory::forget(const Context& context) {
  std::lock_guard lock(mutex_);
  for (auto range = ranges_.begin(); range != ranges_.end();) {
    const auto next = std::next(range);
    if (range->second.context == &context) drop_locked(range);
    range = next;
  }
  std::erase_if(ipc_opened_, [&](const auto& entry) { return std::get<0>(entry.first) == &context; });
}

}  // namespace fake_cuda
