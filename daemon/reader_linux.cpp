#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "daemon/descriptor.h"
#include "daemon/reader.h"

namespace framering::daemon {

using proto::errno_error;
using proto::ErrorCode;

proto::Result<std::shared_ptr<Reader>> Reader::create(const ReaderOptions& options) {
  std::shared_ptr<Reader> reader(new Reader);
  reader->options_ = options;
  auto page = SharedPage::create("framering-lease", proto::kLeaseBytes);
  if (!page) return page.error();
  if (auto sealed = page->seal_seals(); !sealed) return sealed.error();
  reader->page_ = *std::move(page);
  auto* lease = new (reader->page_.data()) proto::LeasePage{};
  lease->magic = proto::kLeaseMagic;
  lease->layout_version = proto::kLayoutVersion;
  lease->lease_count = static_cast<uint16_t>(options.max_leases);
  reader->bell_ = proto::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!reader->bell_) return errno_error(ErrorCode::kOutOfMemory, "cannot create an eventfd", errno);
  if (options.wake_pipe) {
    auto pipe = WakePipe::create();
    if (!pipe) return pipe.error();
    reader->wake_pipe_ = *std::move(pipe);
  }
  return reader;
}

proto::Result<proto::UniqueFd> Reader::export_lease() const {
  return duplicate(page_.fd());
}

proto::Result<proto::UniqueFd> Reader::export_bell() const {
  return duplicate(bell_.get());
}

bool Reader::claim_sleeper() {
  std::atomic<uint32_t>& waiting = page()->waiting;
  // A load first: an exchange would take every idle client's cache line away at every frame.
  return waiting.load(std::memory_order_seq_cst) != 0 && waiting.exchange(0, std::memory_order_seq_cst) != 0;
}

void Reader::wake() {
  std::atomic<uint32_t>& word = page()->wake_word;
  word.fetch_add(1, std::memory_order_seq_cst);
  syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void Reader::signal_pipe() {
  proto::LeasePage& lease = *page();
  if (!wake_pipe_ || lease.armed.load(std::memory_order_seq_cst) == 0) return;
  lease.armed.store(0, std::memory_order_seq_cst);
  wake_pipe_.ring();
}

bool Reader::waits() const {
  const proto::LeasePage& lease = *page();
  return lease.waiting.load(std::memory_order_seq_cst) != 0 ||
         (wake_pipe_ && lease.armed.load(std::memory_order_seq_cst) != 0);
}

bool Reader::has_wish(uint64_t confirmed_ns, uint64_t now_ns) {
  const uint64_t asked = asked_ns();
  if (asked <= confirmed_ns || asked > now_ns || !subscribed.load()) return false;
  if (std::exchange(counted_ns_, asked) != asked) confirmations_asked.fetch_add(1, std::memory_order_relaxed);
  return true;
}

uint32_t Reader::leases_claimed() const {
  return static_cast<uint32_t>(
      std::count_if(page()->leases, page()->leases + options_.max_leases,
                    [](const auto& word) { return word.load(std::memory_order_relaxed) != 0; }));
}

ReaderTable::ReaderTable() : readers_(std::make_shared<const ReaderList>()) {}

std::shared_ptr<const ReaderList> ReaderTable::snapshot() const {
  std::lock_guard lock(mutex_);
  return readers_;
}

void ReaderTable::add(std::shared_ptr<Reader> reader) {
  std::lock_guard one_writer(writers_);
  ReaderList readers = *snapshot();
  ReaderEntry entry(std::move(reader));
  const auto place = std::ranges::upper_bound(readers, entry.client, {}, &ReaderEntry::client);
  readers.insert(place, std::move(entry));
  replace(std::move(readers));
}

void ReaderTable::remove(const Reader* reader) {
  std::lock_guard one_writer(writers_);
  ReaderList readers = *snapshot();
  std::erase_if(readers, [reader](const ReaderEntry& entry) { return entry.reader.get() == reader; });
  replace(std::move(readers));
}

void ReaderTable::replace(ReaderList readers) {
  auto list = std::make_shared<const ReaderList>(std::move(readers));
  {
    std::lock_guard lock(mutex_);
    readers_.swap(list);
  }
  // The old list is freed here, outside the lock.
}

size_t ReaderTable::subscribers() const {
  const auto readers = snapshot();
  return static_cast<size_t>(std::count_if(readers->begin(), readers->end(), [](const ReaderEntry& entry) {
    return entry.reader->subscribed.load();
  }));
}

}  // namespace framering::daemon
