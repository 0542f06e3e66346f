#include <sys/mman.h>

#include <atomic>
#include <new>

#include "client/src/process_mark.h"

namespace framering::internal {

namespace {

// A word that the kernel clears in a forked child, whoever forks and by whatever call.
std::atomic<uint64_t>& word_of_process() {
  constexpr size_t kBytes = sizeof(std::atomic<uint64_t>);
  void* page = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || madvise(page, kBytes, MADV_WIPEONFORK) != 0) throw std::bad_alloc();
  return *new (page) std::atomic<uint64_t>(0);
}

}  // namespace

uint64_t process_mark() {
  static std::atomic<uint64_t>& word = word_of_process();
  static std::atomic<uint64_t> last{0};  // a child goes on from where the parent was
  uint64_t mark = word.load(std::memory_order_relaxed);
  if (mark != 0) return mark;
  const uint64_t fresh = last.fetch_add(1) + 1;
  return word.compare_exchange_strong(mark, fresh) ? fresh : mark;
}

}  // namespace framering::internal
