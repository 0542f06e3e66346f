#include "daemon/memory/host_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "daemon/memory/available_memory.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using testing::HasSubstr;

TEST(HostPool, SlotsArePageAlignedAndApart) {
  const Geometry geometry{1366, 771};
  const auto pool = HostPool::create(geometry, 4);
  ASSERT_TRUE(pool) << pool.error().text();
  const auto surfaces = (*pool)->surfaces();
  ASSERT_EQ(surfaces.size(), 4u);
  EXPECT_EQ((*pool)->slot_bytes() % 4096, 0u);
  for (uint32_t slot = 0; slot < 4; ++slot) {
    const Surface& surface = surfaces[(*pool)->surface_of(slot)];
    EXPECT_EQ(surface.offset, slot * (*pool)->slot_bytes());
    EXPECT_EQ(surface.bytes, geometry.frame_bytes());
    EXPECT_EQ(surface.data, surfaces[0].data + surface.offset);
    EXPECT_EQ(surface.fd, surfaces[0].fd);
  }
}

TEST(HostPool, EveryPageIsThereFromTheStart) {
  const auto pool = HostPool::create({640, 480}, 3);
  ASSERT_TRUE(pool);
  const size_t bytes = (*pool)->slot_bytes() * 3;
  std::vector<unsigned char> resident(bytes / 4096);
  ASSERT_EQ(mincore((*pool)->surfaces()[0].data, bytes, resident.data()), 0);
  for (const unsigned char page : resident) EXPECT_TRUE(page & 1);
}

TEST(HostPool, SlotCountsOutOfRangeAreRefusedWithTheRange) {
  for (const uint32_t slots : {0u, 2u, 65u, ~0u}) {
    const auto pool = HostPool::create({64, 64}, slots);
    ASSERT_FALSE(pool);
    EXPECT_EQ(pool.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(pool.error().text(), HasSubstr("3 to 64"));
  }
}

TEST(HostPool, SizesOutOfRangeAreRefusedWithTheRange) {
  for (const Geometry geometry : {Geometry{0, 1}, Geometry{1, 0}, Geometry{32768, 1}, Geometry{~0u, ~0u}}) {
    const auto pool = HostPool::create(geometry, 3);
    ASSERT_FALSE(pool);
    EXPECT_EQ(pool.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(pool.error().text(), HasSubstr("1 to 32767"));
  }
}

TEST(HostPool, RegionsBeyondTheLimitAreRefused) {
  const auto pool = HostPool::create({32767, 32767}, 64);
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(pool.error().text(), HasSubstr("at most 65536 MiB"));
}

TEST(HostPool, MemoryThatTheMachineLacksIsRefusedWithTheSizes) {
  // The largest ring that the limits allow, or one beyond what is free, whichever is smaller.
  const uint64_t slot_bytes = Geometry{32767, 32767}.frame_bytes();
  const uint64_t slots = available_memory_bytes() / slot_bytes + 1;
  if (slots * slot_bytes > proto::kMaxRegionBytes) GTEST_SKIP() << "more memory free than a ring may have";
  const auto pool = HostPool::create({32767, 32767}, std::max<uint32_t>(slots, 3));
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code, ErrorCode::kOutOfMemory);
  EXPECT_THAT(pool.error().text(), HasSubstr("MiB are available"));
}

TEST(HostPool, AddressSpaceThatTheProcessLacksIsRefused) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer needs the address space itself";
#endif
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &old), 0);
  const rlimit tight{64 << 20, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  const auto pool = HostPool::create({3840, 2160}, 3);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &old), 0);
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code, ErrorCode::kOutOfMemory);
  EXPECT_THAT(pool.error().text(), HasSubstr("3 slots of 3840x2160 take 95 MiB"));
}

class AvailableMemory : public testing::Test {
 protected:
  AvailableMemory() {
    char name[] = "/tmp/framering-memory-XXXXXX";
    root_ = mkdtemp(name);
    write("proc/meminfo", "MemTotal:  16000000 kB\nMemFree:  1000 kB\nMemAvailable:  8000000 kB\nX:  1 kB\n");
  }
  ~AvailableMemory() override { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  uint64_t available() const { return available_memory_bytes(root_ / "proc", root_ / "cgroup"); }

  std::filesystem::path root_;
};

TEST_F(AvailableMemory, IsWhatTheMachineCanGive) {
  EXPECT_EQ(available(), uint64_t{8'000'000} * 1024);
}

TEST_F(AvailableMemory, IsUnlimitedWhereTheSystemDoesNotTell) {
  EXPECT_EQ(available_memory_bytes(root_ / "none", root_ / "none"), UINT64_MAX);
}

TEST_F(AvailableMemory, RespectsVersion2CgroupsAboveUs) {
  write("proc/self/cgroup", "0::/user.slice/ring.service\n");
  write("cgroup/user.slice/ring.service/memory.max", "max\n");
  write("cgroup/user.slice/ring.service/memory.current", "5\n");
  write("cgroup/user.slice/memory.max", "1000000\n");
  write("cgroup/user.slice/memory.current", "600000\n");
  write("cgroup/user.slice/memory.stat", "anon 1\ninactive_file 200000\nfile 7\n");
  EXPECT_EQ(available(), 600'000);
}

TEST_F(AvailableMemory, RespectsVersion1Cgroups) {
  write("proc/self/cgroup", "12:cpu,cpuacct:/\n4:memory:/job\n");
  write("cgroup/memory/job/memory.limit_in_bytes", "1000000\n");
  write("cgroup/memory/job/memory.usage_in_bytes", "1200000\n");
  EXPECT_EQ(available(), 0u);
}

}  // namespace
}  // namespace framering::daemon
