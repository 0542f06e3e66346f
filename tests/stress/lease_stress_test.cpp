// The lease protocol under load: across processes as it is used, and in one process for ThreadSanitizer. The
// negative controls take an order away and must see frames overwritten under a lease.
#include "tests/stress/lease_stress.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "proto/unique_fd.h"
#include "tests/support/child.h"

namespace framering::testing {
namespace {

using proto::StrictOrder;
using RacyWord = std::atomic<uint64_t>;

constexpr uint64_t kMs = 1'000'000;

struct NoReaderOrder : StrictOrder {
  static constexpr auto kReaderStore = std::memory_order_relaxed;
  static constexpr auto kReaderCheck = std::memory_order_relaxed;
};
struct NoDaemonOrder : StrictOrder {
  static constexpr auto kDaemonMark = std::memory_order_relaxed;
  static constexpr auto kDaemonScan = std::memory_order_relaxed;
};

std::vector<int> processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<int> found;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) found.push_back(cpu);
  }
  return found;
}

// The daemon has a processor of its own: left to itself a busy machine may run both sides by turns on one.
void settle_daemon(const std::vector<int>& cpus) {
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(cpus[0], &own);
  sched_setaffinity(0, sizeof own, &own);
}
void settle_reader(const std::vector<int>& cpus, uint32_t index) {
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(cpus.size() == 1 ? cpus[0] : cpus[1 + index % (cpus.size() - 1)], &own);
  sched_setaffinity(0, sizeof own, &own);
}

// A memfd that every process maps for itself.
class ArenaFile {
 public:
  ArenaFile() : fd_(memfd_create("lease-stress", MFD_CLOEXEC)) {
    if (!fd_ || ftruncate(fd_.get(), sizeof(Arena<RacyWord>)) != 0) throw std::bad_alloc();
  }
  Arena<RacyWord>& map() const {
    void* memory = mmap(nullptr, sizeof(Arena<RacyWord>), PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return *static_cast<Arena<RacyWord>*>(memory);
  }

 private:
  proto::UniqueFd fd_;
};

// Runs the daemon and the readers as processes; returns what they left in the arena.
template <class Order>
Arena<RacyWord>& run_processes(const std::vector<Habit>& habits, const StressRules& rules) {
  const ArenaFile file;
  const std::vector<int> cpus = processors();
  std::vector<Child> children;
  for (uint32_t i = 0; i < habits.size(); ++i) {
    children.emplace_back([&, i] {
      settle_reader(cpus, i);
      StressReader<Order, RacyWord>(file.map(), i, habits[i], rules).run();
      return 0;
    });
  }
  children.emplace_back([&] {
    settle_daemon(cpus);
    StressDaemon<Order, RacyWord>(file.map(), rules).run();
    return 0;
  });
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  return file.map();
}

template <class Word>
void run_threads(Arena<Word>& arena, const std::vector<Habit>& habits, const StressRules& rules) {
  std::vector<std::thread> readers;
  for (uint32_t i = 0; i < habits.size(); ++i) {
    readers.emplace_back([&, i] { StressReader<StrictOrder, Word>(arena, i, habits[i], rules).run(); });
  }
  StressDaemon<StrictOrder, Word>(arena, rules).run();
  for (std::thread& reader : readers) reader.join();
}

template <class Word>
uint64_t total(const Arena<Word>& arena, std::atomic<uint64_t> Tally::*counter) {
  uint64_t sum = 0;
  for (const Tally& tally : arena.tallies) sum += (tally.*counter).load();
  return sum;
}

template <class Word>
void expect_no_violation(const Arena<Word>& arena) {
  EXPECT_EQ(total(arena, &Tally::untold), 0u);
  EXPECT_EQ(total(arena, &Tally::early), 0u);
  EXPECT_EQ(total(arena, &Tally::disordered), 0u);
}

template <class Word>
void report(const Arena<Word>& arena) {
  std::printf(
      "published %lu, leases %lu, broken %lu, told %lu (pixels changed in %lu); untold %lu, early %lu\n",
      arena.published.load(), total(arena, &Tally::leases), arena.breaks.load(), total(arena, &Tally::told),
      total(arena, &Tally::changed), total(arena, &Tally::untold), total(arena, &Tally::early));
}

const std::vector<Habit> kAllHabits{Habit::kNewest, Habit::kInOrder, Habit::kOverstays, Habit::kOverstays,
                                    Habit::kOverstays};
constexpr StressRules kOverstayRules{
    .lease_ns = 5 * kMs, .run_ns = 3000 * kMs, .readers = 5, .until_told_ns = 60'000 * kMs};

TEST(LeaseStressTest, ReadersInOtherProcessesSeeIntactFramesOrAreToldThatTheLeaseWasBroken) {
  const auto& arena = run_processes<StrictOrder>(kAllHabits, kOverstayRules);
  report(arena);
  expect_no_violation(arena);
  EXPECT_GT(total(arena, &Tally::leases), 1000u);
  // The run is worth something only if leases were broken and the pixels under them rewritten.
  EXPECT_GE(total(arena, &Tally::changed), kToldOften);
}

// The guarantee is longer than the run: a lease that is broken at all is broken early.
const std::vector<Habit> kContention{Habit::kOldest};
constexpr StressRules kContentionRules{
    .lease_ns = 60'000 * kMs, .run_ns = 3000 * kMs, .readers = 1, .stop_at_violation = true};

TEST(LeaseStressTest, AFrameAboutToBeOverwrittenIsSafeOnceItIsLeased) {
  const auto& arena = run_processes<StrictOrder>(kContention, kContentionRules);
  report(arena);
  expect_no_violation(arena);
  EXPECT_GT(total(arena, &Tally::leases), 10'000u);
}

TEST(LeaseStressTest, ThreadsSeeIntactFramesOrAreToldThatTheLeaseWasBroken) {
  auto arena = std::make_unique<Arena<RacyWord>>();
  run_threads(*arena, kAllHabits, kOverstayRules);
  report(*arena);
  expect_no_violation(*arena);
  EXPECT_GE(total(*arena, &Tally::changed), kToldOften);
}

// Pixels that are no atomics: ThreadSanitizer reports a race if the protocol does not order the accesses.
TEST(LeaseStressTest, TheProtocolAloneOrdersTheReadersAndTheWriterOfAPixel) {
  auto arena = std::make_unique<Arena<uint64_t>>();
  run_threads(*arena, {Habit::kNewest, Habit::kInOrder, Habit::kOldest, Habit::kOldest},
              {.lease_ns = 60'000 * kMs, .run_ns = 3000 * kMs, .readers = 4});
  report(*arena);
  expect_no_violation(*arena);
  EXPECT_EQ(total(*arena, &Tally::told), 0u);
  EXPECT_GT(total(*arena, &Tally::leases), 1000u);
}

// ThreadSanitizer's own atomics are slow and ordered: under it a relaxed store is seen at once.
#if !defined(__SANITIZE_THREAD__)

class LeaseStressControl : public ::testing::Test {
 protected:
  void SetUp() override {
    if (processors().size() < 2) GTEST_SKIP() << "stores and loads change places only between two processors";
  }
};

TEST_F(LeaseStressControl, WithoutTheReadersOrderAFrameIsOverwrittenUnderItsLease) {
  StressRules rules = kContentionRules;
  rules.run_ns = 30'000 * kMs;
  const auto& arena = run_processes<NoReaderOrder>(kContention, rules);
  report(arena);
  EXPECT_GT(total(arena, &Tally::early), 0u);
}

TEST_F(LeaseStressControl, WithoutTheDaemonsOrderAFrameIsOverwrittenUnderItsLease) {
  StressRules rules = kContentionRules;
  rules.run_ns = 30'000 * kMs;
  const auto& arena = run_processes<NoDaemonOrder>(kContention, rules);
  report(arena);
  EXPECT_GT(total(arena, &Tally::early), 0u);
}

#endif

}  // namespace
}  // namespace framering::testing
