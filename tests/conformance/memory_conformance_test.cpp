// What daemon/memory/pool.h promises to the daemon, each pool with its importer, and what no client can do
// with the descriptor of host memory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/memory/host_pool.h"
#include "tests/conformance/importer_process.h"
#include "tests/conformance/pool_cases.h"
#include "tests/support/child.h"
#include "tests/support/in_process.h"

namespace framering::daemon {
namespace {

using proto::MemoryKind;
using proto::UniqueFd;
using testing::ImporterProcess;
using testing::in_process;
using testing::kNobody;
using testing::PoolCase;

constexpr uint32_t kSlots = 4;
constexpr Geometry kGeometry{333, 77};

template <class T>
T must(proto::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

// A pool as the pump uses it: sealed, written by a source.
class Slots {
 public:
  explicit Slots(const PoolCase& of) : pool_(must(of.create(kGeometry, kSlots))) {}

  Pool& pool() const { return *pool_; }
  PoolHandle seal_and_export() const {
    must(pool_->seal());
    return must(pool_->export_handle());
  }
  uint64_t region_bytes() const { return pool_->slot_bytes() * kSlots; }
  bool import_into(ImporterProcess& importer) const {
    return importer.map(pool_->kind(), seal_and_export(), region_bytes());
  }
  // A picture of one value, as a source makes it.
  void write(uint32_t slot, int value) const {
    const Surface& surface = pool_->surfaces()[pool_->surface_of(slot)];
    std::memset(surface.data, value, kGeometry.frame_bytes());
    Damage damage;
    damage.set_full(kGeometry);
    must(pool_->commit(slot, damage));
  }
  bool seen(ImporterProcess& importer, uint32_t slot, int value) const {
    return importer.shows(slot * pool_->slot_bytes(), kGeometry.frame_bytes(), value);
  }
  void let_go() { pool_.reset(); }

 private:
  std::unique_ptr<Pool> pool_;
};

class MemoryConformance : public ::testing::TestWithParam<PoolCase> {
 protected:
  void SetUp() override { GetParam().need(); }
};

TEST_P(MemoryConformance, SlotsHoldAFrameEachAndAreMappable) {
  in_process({}, [] {
    const Slots slots(GetParam());
    EXPECT_EQ(slots.pool().slot_count(), kSlots);
    EXPECT_GE(slots.pool().slot_bytes(), kGeometry.frame_bytes());
    EXPECT_EQ(slots.pool().slot_bytes() % static_cast<uint64_t>(sysconf(_SC_PAGESIZE)), 0u);
  });
}

TEST_P(MemoryConformance, SurfacesShareOneDescriptorAndDoNotOverlap) {
  in_process({}, [] {
    const Slots slots(GetParam());
    const auto surfaces = slots.pool().surfaces();
    ASSERT_FALSE(surfaces.empty());
    std::set<uint64_t> offsets;
    for (const Surface& surface : surfaces) {
      EXPECT_EQ(surface.fd, surfaces[0].fd);
      EXPECT_EQ(surface.bytes, kGeometry.frame_bytes());
      EXPECT_EQ(reinterpret_cast<uintptr_t>(surface.data) % 64, 0u);
      for (const uint64_t other : offsets) EXPECT_GE(surface.offset, other + surface.bytes);
      offsets.insert(surface.offset);
    }
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      EXPECT_LT(slots.pool().surface_of(slot), surfaces.size());
    }
  });
}

TEST_P(MemoryConformance, ANewRegionIsZero) {
  in_process({}, [] {
    ImporterProcess importer;
    const Slots slots(GetParam());
    ASSERT_TRUE(slots.import_into(importer));
    EXPECT_TRUE(importer.shows(0, slots.region_bytes(), 0));
  });
}

TEST_P(MemoryConformance, CommittedSlotIsWhatAnImporterSees) {
  in_process({}, [] {
    ImporterProcess importer;
    const Slots slots(GetParam());
    ASSERT_TRUE(slots.import_into(importer));
    for (const int round : {0x10, 0x80}) {
      for (uint32_t slot = 0; slot < kSlots; ++slot) slots.write(slot, round + static_cast<int>(slot));
      for (uint32_t slot = 0; slot < kSlots; ++slot) {
        EXPECT_TRUE(slots.seen(importer, slot, round + static_cast<int>(slot)));
      }
    }
  });
}

TEST_P(MemoryConformance, ImportersOfSeveralUsersSeeTheSame) {
  in_process({}, [] {
    ImporterProcess own, foreign(kNobody);
    const Slots slots(GetParam());
    ASSERT_TRUE(slots.import_into(own));
    ASSERT_TRUE(foreign.map(slots.pool().kind(), must(slots.pool().export_handle()), slots.region_bytes()));
    slots.write(2, 0x5a);
    EXPECT_TRUE(slots.seen(own, 2, 0x5a));
    EXPECT_TRUE(slots.seen(foreign, 2, 0x5a));
  });
}

TEST_P(MemoryConformance, ARegionIsNotLargerThanItIs) {
  in_process({}, [] {
    ImporterProcess importer;
    const Slots slots(GetParam());
    const PoolHandle handle = slots.seal_and_export();
    EXPECT_FALSE(importer.map(slots.pool().kind(), handle, slots.region_bytes() + (uint64_t{64} << 20)));
    EXPECT_TRUE(importer.map(slots.pool().kind(), handle, slots.region_bytes()));
  });
}

TEST_P(MemoryConformance, SealingMovesNothing) {
  in_process({}, [] {
    const Slots slots(GetParam());
    const auto surfaces = slots.pool().surfaces();
    const std::vector<Surface> before(surfaces.begin(), surfaces.end());
    slots.seal_and_export();
    for (size_t i = 0; i < before.size(); ++i) {
      EXPECT_EQ(slots.pool().surfaces()[i].data, before[i].data);
      EXPECT_EQ(slots.pool().surfaces()[i].offset, before[i].offset);
    }
  });
}

TEST_P(MemoryConformance, ImportOutlivesThePool) {
  in_process({}, [] {
    ImporterProcess importer;
    Slots slots(GetParam());
    ASSERT_TRUE(slots.import_into(importer));
    slots.write(1, 0x77);
    const uint64_t slot_bytes = slots.pool().slot_bytes();
    slots.let_go();
    EXPECT_TRUE(importer.shows(slot_bytes, kGeometry.frame_bytes(), 0x77));
  });
}

TEST_P(MemoryConformance, DescriptorsAreSeparateAndCloseOnExec) {
  in_process({}, [] {
    const Slots slots(GetParam());
    const PoolHandle one = slots.seal_and_export();
    const PoolHandle other = must(slots.pool().export_handle());
    if (slots.pool().kind() == MemoryKind::kCudaIpc) {
      EXPECT_FALSE(one.fd);
      EXPECT_EQ(one.handle.size(), proto::kCudaIpcHandleBytes);
      return;
    }
    EXPECT_NE(one.fd.get(), other.fd.get());
    EXPECT_EQ(fcntl(one.fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  });
}

INSTANTIATE_TEST_SUITE_P(Pools, MemoryConformance, ::testing::ValuesIn(testing::pool_cases()),
                         [](const auto& info) { return info.param.name; });

// As a client maps host memory.
class Import {
 public:
  Import(int fd, size_t bytes) : bytes_(bytes), data_(mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0)) {}
  ~Import() {
    if (ok()) munmap(data_, bytes_);
  }
  Import(const Import&) = delete;
  Import& operator=(const Import&) = delete;
  bool ok() const { return data_ != MAP_FAILED; }
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  size_t bytes_;
  void* data_;
};

// What a client may try with the descriptor of host memory; the pixels survive all of it.
class HostMemoryAttack : public ::testing::Test {
 protected:
  void SetUp() override { slots_.write(0, 0x33); }
  void TearDown() override {
    const Import import(fd(), region_bytes_);
    ASSERT_TRUE(import.ok());
    const std::vector<std::byte> expected(kGeometry.frame_bytes(), std::byte{0x33});
    EXPECT_EQ(std::memcmp(import.data(), expected.data(), expected.size()), 0);
  }
  int fd() const { return handle_.fd.get(); }

  bool refuses_writable_mapping(int fd) const {
    void* data = mmap(nullptr, region_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return true;
    munmap(data, region_bytes_);
    return false;
  }
  bool refuses_every_write(int fd) const {
    const char byte = 1;
    return refuses_writable_mapping(fd) && pwrite(fd, &byte, 1, 0) < 0 && ftruncate(fd, 0) < 0 &&
           ftruncate(fd, static_cast<off_t>(2 * region_bytes_)) < 0 &&
           fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0 &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0;
  }
  static UniqueFd reopen_for_writing(int fd) {
    return UniqueFd(open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDWR | O_CLOEXEC));
  }

  const Slots slots_{PoolCase{"host", HostPool::create}};
  const PoolHandle handle_ = slots_.seal_and_export();
  const uint64_t region_bytes_ = slots_.region_bytes();
};

TEST_F(HostMemoryAttack, NothingIsWrittenThroughTheHandle) {
  EXPECT_TRUE(refuses_every_write(fd()));
}

TEST_F(HostMemoryAttack, ReadOnlyMappingCannotBecomeWritable) {
  const Import import(fd(), region_bytes_);
  EXPECT_EQ(mprotect(import.data(), region_bytes_, PROT_READ | PROT_WRITE), -1);
  EXPECT_EQ(errno, EACCES);
}

TEST_F(HostMemoryAttack, StoreIntoTheMappingFaultsTheWriter) {
  testing::Child client([&] {
    const Import import(fd(), region_bytes_);
    signal(SIGSEGV, SIG_DFL);
    *const_cast<volatile std::byte*>(import.data()) = std::byte{1};
    return 0;
  });
  EXPECT_EQ(client.wait(), 128 + SIGSEGV);
}

TEST_F(HostMemoryAttack, AnotherUserCannotReopenItForWriting) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  testing::Child client([&] {
    if (setresuid(kNobody, kNobody, kNobody) != 0) return 2;
    if (reopen_for_writing(fd())) return 3;
    if (fchmod(fd(), 0666) == 0) return 4;
    return refuses_every_write(fd()) ? 0 : 5;
  });
  EXPECT_EQ(client.wait(), 0);
}

// The owner, like root, can open it, but the seals hold for all.
TEST_F(HostMemoryAttack, ReopenedByTheOwnerItIsStillNotWritable) {
  ASSERT_EQ(fchmod(fd(), 0600), 0);
  const UniqueFd writable = reopen_for_writing(fd());
  ASSERT_TRUE(writable);
  EXPECT_TRUE(refuses_every_write(writable.get()));
}

TEST_F(HostMemoryAttack, DaemonItselfCannotMapItForWritingAgain) {
  EXPECT_TRUE(refuses_every_write(slots_.pool().surfaces()[0].fd));
}

}  // namespace
}  // namespace framering::daemon
