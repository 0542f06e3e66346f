// What the daemon does with a client's lease page, and what it never does.
#include "daemon/reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace framering::daemon {
namespace {

using proto::LeasePage;

std::shared_ptr<Reader> make_reader(const ReaderOptions& options = {}) {
  auto reader = Reader::create(options);
  EXPECT_TRUE(reader);
  return *std::move(reader);
}

// The lease page as the client maps it.
class ClientPage {
 public:
  explicit ClientPage(const Reader& reader) {
    const auto fd = reader.export_lease();
    EXPECT_TRUE(fd);
    page_ = static_cast<LeasePage*>(
        mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0));
  }
  ~ClientPage() { munmap(page_, proto::kLeaseBytes); }
  ClientPage(const ClientPage&) = delete;
  ClientPage& operator=(const ClientPage&) = delete;
  LeasePage* operator->() const { return page_; }

 private:
  LeasePage* page_;
};

size_t bytes_in(int pipe_end) {
  char bytes[8192];
  const ssize_t length = read(pipe_end, bytes, sizeof bytes);
  return length < 0 ? 0 : static_cast<size_t>(length);
}

TEST(Reader, TheLeasePageSaysWhatItIs) {
  const auto reader = make_reader({.max_leases = 5});
  const ClientPage page(*reader);
  EXPECT_EQ(page->magic, proto::kLeaseMagic);
  EXPECT_EQ(page->layout_version, proto::kLayoutVersion);
  EXPECT_EQ(page->lease_count, 5);
  EXPECT_EQ(page->leases[0].load(), 0u);
}

// A page that shrank would be a SIGBUS of the daemon.
TEST(Reader, TheLeasePageIsSealedForGood) {
  const auto fd = make_reader()->export_lease();
  ASSERT_TRUE(fd);
  EXPECT_EQ(fcntl(fd->get(), F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  EXPECT_EQ(fcntl(fd->get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
  EXPECT_EQ(ftruncate(fd->get(), 0), -1);
}

TEST(Reader, OnlyLeasesThatWereGrantedAreCounted) {
  const auto reader = make_reader({.max_leases = 3});
  const ClientPage page(*reader);
  EXPECT_EQ(reader->leases_claimed(), 0u);
  page->leases[0].store(1);
  page->leases[2].store(~uint64_t{0});
  for (uint32_t i = 3; i < proto::kMaxLeases; ++i) page->leases[i].store(7);
  page->lease_count = 16;
  EXPECT_EQ(reader->leases_claimed(), 2u);
}

TEST(Reader, AClientThatDoesNotWaitIsLeftAlone) {
  const auto reader = make_reader({.wake_pipe = true});
  const ClientPage page(*reader);
  const auto pipe_end = reader->export_wake_pipe();
  ASSERT_TRUE(pipe_end);
  EXPECT_FALSE(reader->claim_sleeper());
  reader->signal_pipe();
  EXPECT_EQ(page->wake_word.load(), 0u);
  EXPECT_EQ(bytes_in(pipe_end->get()), 0u);
}

TEST(Reader, AWaitingClientIsWokenOnce) {
  const auto reader = make_reader();
  const ClientPage page(*reader);
  page->waiting.store(1);
  std::thread sleeper([&] {
    while (page->wake_word.load() == 0) {
      syscall(SYS_futex, &page->wake_word, FUTEX_WAIT, 0, nullptr, nullptr, 0);
    }
  });
  ASSERT_TRUE(reader->claim_sleeper());
  EXPECT_FALSE(reader->claim_sleeper()) << "another one wakes it";
  reader->wake();
  sleeper.join();
  EXPECT_EQ(page->wake_word.load(), 1u);
  EXPECT_EQ(page->waiting.load(), 0u);
}

TEST(Reader, AnArmedPipeGetsOneByteAndIsDisarmed) {
  const auto reader = make_reader({.wake_pipe = true});
  const ClientPage page(*reader);
  const auto pipe_end = reader->export_wake_pipe();
  ASSERT_TRUE(pipe_end);
  page->armed.store(1);
  for (int i = 0; i < 3; ++i) reader->signal_pipe();
  EXPECT_EQ(page->armed.load(), 0u);
  EXPECT_EQ(bytes_in(pipe_end->get()), 1u);
}

// Hangs if it blocks: whatever the client does to its end of the pipe, the publisher's is another open file.
TEST(Reader, AFullPipeThatTheClientMadeBlockingDoesNotBlock) {
  const auto reader = make_reader({.wake_pipe = true});
  const ClientPage page(*reader);
  const auto pipe_end = reader->export_wake_pipe();
  ASSERT_TRUE(pipe_end);
  ASSERT_EQ(fcntl(pipe_end->get(), F_SETFL, 0), 0);
  const int bytes = fcntl(pipe_end->get(), F_SETPIPE_SZ, 4096);
  ASSERT_GT(bytes, 0);
  for (int i = 0; i < bytes + 100; ++i) {
    page->armed.store(1);
    reader->signal_pipe();
  }
  EXPECT_EQ(bytes_in(pipe_end->get()), static_cast<size_t>(bytes));
}

TEST(Reader, AClientThatClosedItsPipeKillsNobody) {
  const auto reader = make_reader({.wake_pipe = true});
  const ClientPage page(*reader);
  reader->export_wake_pipe()->reset();
  page->armed.store(1);
  reader->signal_pipe();  // no SIGPIPE
  EXPECT_EQ(page->armed.load(), 0u);
}

TEST(Reader, TheClientsEndOfThePipeCannotWrite) {
  const auto reader = make_reader({.wake_pipe = true});
  const auto pipe_end = reader->export_wake_pipe();
  ASSERT_TRUE(pipe_end);
  EXPECT_EQ(write(pipe_end->get(), "x", 1), -1);
  EXPECT_EQ(fcntl(pipe_end->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(Reader, WithoutAPipeArmingDoesNothing) {
  const auto reader = make_reader();
  EXPECT_FALSE(reader->export_wake_pipe());
  reader->page()->armed.store(1);
  reader->signal_pipe();
  EXPECT_EQ(reader->page()->armed.load(), 1u);
}

TEST(ReaderTable, ASnapshotIsNotChangedByLaterChanges) {
  ReaderTable table;
  const auto first = make_reader();
  auto second = make_reader();
  table.add(first);
  const auto before = table.snapshot();
  table.add(second);
  const auto both = table.snapshot();
  table.remove(first.get());
  EXPECT_EQ(before->size(), 1u);
  ASSERT_EQ(both->size(), 2u);
  ASSERT_EQ(table.snapshot()->size(), 1u);
  EXPECT_EQ(table.snapshot()->at(0).reader, second);

  table.remove(second.get());
  Reader* const gone = second.get();
  second.reset();
  EXPECT_EQ(both->at(1).reader.get(), gone) << "who scans it may go on to read its pages";
  EXPECT_EQ(both->at(1).leases.size(), proto::kDefaultLeases);
}

TEST(ReaderTable, RemovingWhoIsNotThereChangesNothing) {
  ReaderTable table;
  const auto reader = make_reader();
  table.add(reader);
  table.remove(make_reader().get());
  table.remove(nullptr);
  EXPECT_EQ(table.snapshot()->size(), 1u);
}

TEST(ReaderTable, OnlySubscribersCountAsSuch) {
  ReaderTable table;
  const auto reader = make_reader();
  EXPECT_EQ(table.subscribers(), 0u);
  table.add(reader);
  table.add(make_reader());
  EXPECT_EQ(table.subscribers(), 2u);
  reader->subscribed = false;
  EXPECT_EQ(table.subscribers(), 1u);
  EXPECT_EQ(table.snapshot()->size(), 2u) << "its leases still hold";
}

TEST(ReaderTable, ReadersComeAndGoWhileOthersScan) {
  ReaderTable table;
  std::atomic<bool> done{false};
  std::thread scanner([&] {
    uint64_t sum = 0;
    while (!done) {
      const auto readers = table.snapshot();
      for (const ReaderEntry& entry : *readers) {
        for (const auto& lease : entry.leases) sum += lease.load();
        if (entry.reader->claim_sleeper()) entry.reader->wake();
      }
    }
    EXPECT_EQ(sum, 0u);
  });
  std::vector<std::thread> sessions;
  for (int i = 0; i < 2; ++i) {
    sessions.emplace_back([&] {
      for (int k = 0; k < 200; ++k) {
        const auto reader = make_reader();
        table.add(reader);
        table.remove(reader.get());
      }
    });
  }
  for (std::thread& session : sessions) session.join();
  done = true;
  scanner.join();
  EXPECT_TRUE(table.snapshot()->empty());
}

}  // namespace
}  // namespace framering::daemon
