// What the CUDA pools promise beyond tests/conformance, over the fake driver.
#include "daemon/memory/cuda_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "client/src/importer.h"
#include "daemon/memory/cuda_copier.h"
#include "tests/support/fake_driver.h"
#include "tests/support/in_process.h"
#include "tests/support/seed.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using proto::MemoryKind;
using ::testing::AllOf;
using testing::FakeDriver;
using ::testing::HasSubstr;
using testing::in_process;

constexpr uint32_t kSlots = 4;
constexpr Geometry kScreen{640, 480};

template <class T>
T must(proto::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

proto::Result<std::unique_ptr<Pool>> make_pool(const Geometry& geometry = kScreen,
                                               MemoryKind kind = MemoryKind::kCuda) {
  const auto place = find_cuda_place(kind, "");
  if (!place) return place.error();
  return create_cuda_pool(*place, geometry, kSlots);
}

proto::LeasePage& some_lease_page() {
  void* page = mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::runtime_error("no memory for a lease page");
  return *static_cast<proto::LeasePage*>(page);
}

std::unique_ptr<internal::PixelRegion> import(const Pool& pool) {
  PoolHandle handle = must(pool.export_handle());
  return must(internal::import_pixels({pool.kind(), pool.slot_bytes() * pool.slot_count(),
                                       std::move(handle.fd), std::move(handle.handle), handle.device_uuid},
                                      some_lease_page(), {}));
}

Damage damage_of(std::initializer_list<DamageRect> rects) {
  Damage damage;
  for (const DamageRect& rect : rects) damage.add(rect);
  return damage;
}

Damage whole(const Geometry& geometry) {
  Damage damage;
  damage.set_full(geometry);
  return damage;
}

DamageRect random_rect(const Geometry& geometry, std::mt19937& random) {
  const auto x = static_cast<uint16_t>(random() % geometry.width);
  const auto y = static_cast<uint16_t>(random() % geometry.height);
  return {x, y, static_cast<uint16_t>(1 + random() % (geometry.width - x)),
          static_cast<uint16_t>(1 + random() % (geometry.height - y))};
}

void scribble(const Surface& surface, const Geometry& geometry, const DamageRect& rect,
              std::mt19937& random) {
  const size_t bytes = proto::bytes_per_pixel(geometry.format);
  for (uint32_t y = rect.y; y < uint32_t{rect.y} + rect.height; ++y) {
    std::byte* row = surface.data + size_t{y} * geometry.stride() + rect.x * bytes;
    for (size_t i = 0; i < rect.width * bytes; ++i) row[i] = static_cast<std::byte>(random());
  }
}

// Slots are taken in any order, so that each lacks what several frames have changed.
void expect_every_slot_to_equal_the_source(const Geometry& geometry, int most_rects) {
  std::mt19937 random(testing::random_seed());
  const auto pool = must(make_pool(geometry));
  const auto region = import(*pool);
  const Surface& mirror = pool->surfaces()[0];
  std::vector<std::byte> slot(geometry.frame_bytes());
  for (int frame = 0; frame < 200; ++frame) {
    Damage damage;
    for (int i = static_cast<int>(random() % static_cast<uint32_t>(most_rects)); i >= 0; --i) {
      const DamageRect rect = random_rect(geometry, random);
      scribble(mirror, geometry, rect, random);
      damage.add(rect);
    }
    const uint32_t index = static_cast<uint32_t>(random()) % kSlots;
    must(pool->commit(index, damage));
    must(region->copy_to_host(index * pool->slot_bytes(), slot.size(), slot.data()));
    ASSERT_EQ(std::memcmp(slot.data(), mirror.data, slot.size()), 0) << "frame " << frame;
  }
}

TEST(CudaPool, EverySlotEqualsTheSourceAfterRandomDamage) {
  in_process({}, [] { expect_every_slot_to_equal_the_source({333, 77}, 5); });
}

TEST(CudaPool, EverySlotEqualsTheSourceInPixelsOfTwoBytesAndPaddedRows) {
  in_process({}, [] { expect_every_slot_to_equal_the_source({101, 50, PixelFormat::kRgb565}, 5); });
}

TEST(CudaPool, EverySlotEqualsTheSourceThoughTheDamageOutgrowsItsList) {
  in_process({}, [] { expect_every_slot_to_equal_the_source({64, 64}, 90); });
}

TEST(CudaPool, ASlotGetsWhatItLacksThoughNothingChangedSince) {
  in_process({}, [] {
    const auto pool = must(make_pool());
    const auto region = import(*pool);
    const Surface& mirror = pool->surfaces()[0];
    std::memset(mirror.data, 0x21, mirror.bytes);
    must(pool->commit(0, whole(kScreen)));
    must(pool->commit(3, {}));
    std::byte last{};
    must(region->copy_to_host(3 * pool->slot_bytes() + mirror.bytes - 1, 1, &last));
    EXPECT_EQ(last, std::byte{0x21});
  });
}

TEST(CudaPool, ASlotThatLacksNothingCostsTheDeviceNothing) {
  in_process({}, [] {
    const FakeDriver driver;
    const auto pool = must(make_pool());
    must(pool->commit(0, whole(kScreen)));
    const size_t waits = driver.calls("cuStreamSynchronize");
    must(pool->commit(0, {}));
    EXPECT_EQ(driver.calls("cuStreamSynchronize"), waits);
  });
}

TEST(CudaPool, WholeRowsComeByDmaAndRectanglesByOneKernel) {
  in_process({}, [] {
    const FakeDriver driver;
    const auto pool = must(make_pool());
    for (uint32_t slot = 0; slot < kSlots; ++slot) must(pool->commit(slot, {}));
    EXPECT_EQ(driver.calls("cuMemcpyHtoDAsync"), kSlots);
    EXPECT_EQ(driver.calls("kernel framering_pull"), 0u);
    must(pool->commit(0, damage_of({{8, 8, 32, 32}, {600, 400, 16, 64}})));
    EXPECT_EQ(driver.calls("cuMemcpyHtoDAsync"), kSlots);
    EXPECT_EQ(driver.calls("kernel framering_pull"), 1u);
    must(pool->commit(0, damage_of({{0, 100, 640, 50}})));
    EXPECT_EQ(driver.calls("cuMemcpyHtoDAsync"), kSlots + 1);
    EXPECT_EQ(driver.calls("kernel framering_pull"), 1u);
  });
}

TEST(PullPlan, TakesTheDmaUpToItsAdvantage) {
  const Geometry geometry{1000, 100};
  const auto plan_for = [&](uint16_t width) { return plan_pull(damage_of({{0, 10, width, 20}}), geometry); };
  const auto line = static_cast<uint16_t>(1000 / kDmaAdvantage);
  EXPECT_TRUE(plan_for(1000).use_dma);
  EXPECT_TRUE(plan_for(line + 1).use_dma);
  EXPECT_FALSE(plan_for(line - 1).use_dma);
}

TEST(PullPlan, MovesTheRowsAroundAllThatIsMissing) {
  const PullPlan plan = plan_pull(damage_of({{0, 10, 640, 5}, {0, 15, 640, 30}}), kScreen);
  EXPECT_TRUE(plan.use_dma);
  EXPECT_EQ(plan.band.first, 10u);
  EXPECT_EQ(plan.band.count, 35u);
  EXPECT_FALSE(plan_pull(damage_of({{0, 0, 640, 1}, {0, 479, 640, 1}}), kScreen).use_dma)
      << "the rows between are not missing";
}

TEST(CudaPool, MemoryThatTheDeviceLacksIsRefusedWithTheSizes) {
  for (const MemoryKind kind : {MemoryKind::kCuda, MemoryKind::kCudaIpc}) {
    in_process({{"FAKE_CUDA_MEMORY_MB", "64"}}, [kind] {
      const auto pool = make_pool({3840, 2160}, kind);
      ASSERT_FALSE(pool);
      EXPECT_EQ(pool.error().code, ErrorCode::kOutOfMemory);
      EXPECT_THAT(pool.error().text(), AllOf(HasSubstr("4 slots of 3840x2160 take 127 MiB"),
                                             HasSubstr("GPU 0 (Fake GPU 0, GPU-"), HasSubstr("cuMem")));
    });
  }
}

TEST(CudaPool, ADeviceWithoutVmmIsRefusedWithTheKindThatNeedsNone) {
  in_process({{"FAKE_CUDA_NO_VMM", "1"}}, [] {
    const auto place = find_cuda_place(MemoryKind::kCuda, "");
    ASSERT_FALSE(place);
    EXPECT_EQ(place.error().code, ErrorCode::kMemoryUnavailable);
    EXPECT_THAT(place.error().text(), AllOf(HasSubstr("GPU 0"), HasSubstr("VMM"), HasSubstr("cuda-ipc")));
    EXPECT_TRUE(make_pool(kScreen, MemoryKind::kCudaIpc));
  });
}

TEST(CudaPool, ADeviceThatIsNotThereIsRefusedWithThoseThatAre) {
  in_process({{"FAKE_CUDA_DEVICES", "2"}}, [] {
    EXPECT_TRUE(find_cuda_place(MemoryKind::kCuda, "1"));
    const auto place = find_cuda_place(MemoryKind::kCuda, "2");
    ASSERT_FALSE(place);
    EXPECT_EQ(place.error().code, ErrorCode::kMemoryUnavailable);
    EXPECT_THAT(place.error().text(), AllOf(HasSubstr("0 = GPU-"), HasSubstr("1 = GPU-")));
  });
}

// Each call that making a pool takes, failing: an error that names it and the device, and nothing kept, or
// the memory would not last.
TEST(CudaPool, WhateverFailsIsNamedAndNothingIsKept) {
  in_process({{"FAKE_CUDA_MEMORY_MB", "6"}}, [] {
    const FakeDriver driver;
    for (const MemoryKind kind : {MemoryKind::kCuda, MemoryKind::kCudaIpc}) {
      std::vector<std::string> calls{"cuDevicePrimaryCtxRetain",  "cuMemHostRegister",
                                     "cuMemHostGetDevicePointer", "cuStreamCreate",
                                     "cuModuleLoadData",          "cuModuleGetFunction",
                                     "cuMemsetD8Async",           "cuStreamSynchronize"};
      if (kind == MemoryKind::kCuda) {
        calls.insert(calls.end(), {"cuMemGetAllocationGranularity", "cuMemCreate", "cuMemAddressReserve",
                                   "cuMemMap", "cuMemSetAccess"});
      } else {
        calls.insert(calls.end(), {"cuMemAlloc", "cuIpcGetMemHandle"});
      }
      for (const std::string& call : calls) {
        driver.fail(call + "=801");
        const auto refused = make_pool(kScreen, kind);
        ASSERT_FALSE(refused) << call;
        EXPECT_THAT(refused.error().text(), AllOf(HasSubstr(call), HasSubstr("CUDA_ERROR_NOT_SUPPORTED"),
                                                  HasSubstr("GPU 0 (Fake GPU 0, GPU-")));
        driver.fail("");
        const auto pool = make_pool(kScreen, kind);
        ASSERT_TRUE(pool) << "after " << call << ": " << pool.error().text();
      }
    }
  });
}

TEST(CudaPool, AFailedCommitNamesTheCallAndTheDevice) {
  for (const std::string call : {"cuMemcpyHtoDAsync", "cuStreamSynchronize", "cuLaunchKernel"}) {
    in_process({}, [&call] {
      const FakeDriver driver;
      const auto pool = must(make_pool());
      must(pool->commit(0, whole(kScreen)));
      const Damage damage = call == "cuLaunchKernel" ? damage_of({{1, 1, 2, 2}}) : whole(kScreen);
      driver.fail(call + "=801");
      const auto committed = pool->commit(0, damage);
      ASSERT_FALSE(committed);
      EXPECT_EQ(committed.error().code, ErrorCode::kUnavailable);
      EXPECT_THAT(committed.error().text(), AllOf(HasSubstr(call), HasSubstr("CUDA_ERROR_NOT_SUPPORTED"),
                                                  HasSubstr("GPU 0 (Fake GPU 0, GPU-")));
    });
  }
}

// A driver that has lost a device to an error of its own refuses it for as long as the process lives.
TEST(CudaPool, ALostDeviceIsToldFromAnErrorThatPasses) {
  in_process({}, [] {
    const FakeDriver driver;
    auto pool = must(make_pool());
    driver.fail("cuMemcpyHtoDAsync=801");
    EXPECT_FALSE(pool->commit(0, whole(kScreen)));
    driver.fail("");
    EXPECT_FALSE(cuda_device_lost());
    pool = must(make_pool());
    EXPECT_TRUE(pool->commit(0, whole(kScreen)));

    driver.fail("cuMemcpyHtoDAsync=700");
    EXPECT_FALSE(pool->commit(0, whole(kScreen)));
    driver.fail("");
    EXPECT_TRUE(cuda_device_lost());
    pool.reset();
    EXPECT_FALSE(make_pool());
  });
}

TEST(CudaPool, AnErrorOfOnePoolLeavesTheOthersOfTheDeviceAlone) {
  in_process({{"FAKE_CUDA_MEMORY_MB", "16"}}, [] {
    const auto pool = must(make_pool());
    EXPECT_FALSE(make_pool({3840, 2160}));
    EXPECT_TRUE(pool->export_handle());
    EXPECT_TRUE(pool->commit(0, whole(kScreen)));
  });
}

}  // namespace
}  // namespace framering::daemon
