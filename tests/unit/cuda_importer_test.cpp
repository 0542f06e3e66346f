// What the client's importer of device memory promises beyond tests/conformance, over the fake driver.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/src/importer.h"
#include "daemon/memory/cuda_pool.h"
#include "tests/support/fake_driver.h"
#include "tests/support/gpu_process.h"

namespace framering::internal {
namespace {

using namespace std::chrono_literals;
using proto::MemoryKind;
using testing::Child;
using testing::FakeDriver;
using testing::GateArguments;
using testing::Gpu;
using ::testing::HasSubstr;
using testing::in_process;
using testing::must;
using Clock = std::chrono::steady_clock;

constexpr daemon::Geometry kGeometry{64, 64};
constexpr uint32_t kSlots = 3;
constexpr uint64_t kClaim = 0x1234;

template <class Condition>
bool soon(Condition&& condition) {
  for (const auto end = Clock::now() + 10s; Clock::now() < end; std::this_thread::sleep_for(1ms)) {
    if (condition()) return true;
  }
  return false;
}

// Host memory that the device sees too.
template <class T>
T& shared_page() {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::runtime_error("no memory");
  return *static_cast<T*>(page);
}

// A pool of this process and a client's view of it.
class Imported {
 public:
  explicit Imported(const ImportOptions& options = {})
      : pool_(make_pool()), region_(import(*pool_, options)) {}

  PixelRegion& region() const { return *region_; }
  CUdeviceptr address() const { return region_->device_pointer(); }
  std::atomic<uint64_t>& lease(size_t index = 0) const { return page_.leases[index]; }
  void let_go() { region_.reset(); }
  // A second view; the lease page is the same.
  std::unique_ptr<PixelRegion> import_again() const { return import(*pool_, {}); }

 private:
  static std::unique_ptr<daemon::Pool> make_pool() {
    const auto place = must(daemon::find_cuda_place(MemoryKind::kCuda, ""));
    return must(daemon::create_cuda_pool(place, kGeometry, kSlots));
  }
  std::unique_ptr<PixelRegion> import(const daemon::Pool& pool, const ImportOptions& options) const {
    daemon::PoolHandle handle = must(pool.export_handle());
    return must(import_pixels({pool.kind(), pool.slot_bytes() * pool.slot_count(), std::move(handle.fd),
                               std::move(handle.handle), handle.device_uuid},
                              page_, options));
  }

  proto::LeasePage& page_ = shared_page<proto::LeasePage>();
  std::unique_ptr<daemon::Pool> pool_;
  std::unique_ptr<PixelRegion> region_;
};

// Work on a stream that lasts until it is let through.
class Gate {
 public:
  Gate(const Gpu& gpu, CUstream stream) {
    if (gpu.launch("test_gate", GateArguments{&open_}, stream) != CUDA_SUCCESS)
      throw std::runtime_error("launch");
  }
  void open() { std::atomic_ref(open_).store(1); }

 private:
  uint64_t& open_ = shared_page<uint64_t>();
};

TEST(CudaImporter, RegionsAreReadOnlyUnlessAskedFor) {
  in_process({}, [] {
    const Gpu gpu;
    const Imported read_only, writable({.writable = true});
    EXPECT_EQ(gpu.driver.cuMemsetD8Async.raw(read_only.address(), 1, 1, gpu.stream),
              CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(gpu.driver.cuMemsetD8Async.raw(writable.address(), 1, 1, gpu.stream), CUDA_SUCCESS);
    EXPECT_TRUE(gpu.holds(read_only.address(), 0, 4096));
  });
}

TEST(CudaImporter, TheContextThatIsCurrentIsUsed) {
  in_process({}, [] {
    const FakeDriver driver;
    const Gpu gpu;
    Imported imported;
    const size_t retained = driver.calls("cuDevicePrimaryCtxRetain");
    const auto again = imported.import_again();
    EXPECT_EQ(driver.calls("cuDevicePrimaryCtxRetain"), retained);
    std::thread([&] { imported.import_again(); }).join();
    EXPECT_EQ(driver.calls("cuDevicePrimaryCtxRetain"), retained + 1) << "a thread without a context";
  });
}

TEST(CudaImporter, UnmapsOnlyAfterTheDevicesWorkIsDone) {
  in_process({}, [] {
    const FakeDriver driver;
    const Gpu gpu;
    Imported imported;
    Gate gate(gpu, gpu.stream);
    const size_t unmapped = driver.calls("cuMemUnmap");
    const size_t waits = driver.calls("cuCtxSynchronize");
    std::thread destroying([&] { imported.let_go(); });
    EXPECT_TRUE(soon([&] { return driver.calls("cuCtxSynchronize") > waits; }));
    EXPECT_EQ(driver.calls("cuMemUnmap"), unmapped);
    gate.open();
    destroying.join();
    EXPECT_EQ(driver.calls("cuMemUnmap"), unmapped + 1);
  });
}

TEST(CudaImporter, AForkedChildTouchesNothing) {
  in_process({}, [] {
    const FakeDriver driver;
    const Gpu gpu;
    Imported imported;
    imported.lease() = kClaim;
    Child child([&] {
      imported.let_go();
      return 0;
    });
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(driver.calls("cuCtxSynchronize", pid), 0u);
    EXPECT_EQ(driver.calls("cuMemUnmap", pid), 0u);
    EXPECT_EQ(imported.lease(), kClaim);
    EXPECT_TRUE(gpu.holds(imported.address(), 0, 4096));
  });
}

TEST(CudaImporter, AForkedChildIsToldWhyItCannotMap) {
  in_process({}, [] {
    const Gpu gpu;
    Imported imported;
    Child child([&] {
      proto::LeasePage& page = shared_page<proto::LeasePage>();
      const auto mapped = import_pixels({MemoryKind::kCuda, 4096, {}, {}, proto::CudaUuid{}}, page, {});
      if (mapped || mapped.error().code != proto::ErrorCode::kForked) return 1;
      return mapped.error().text().find("fork") == std::string::npos ? 2 : 0;
    });
    EXPECT_EQ(child.wait(), 0);
  });
}

// The ways to give a lease back: by the device, and where that cannot be.
struct Way {
  const char* name;
  std::vector<std::pair<const char*, std::string>> variables;
  size_t events;  // that a release takes
};
class StreamReleaseTest : public ::testing::TestWithParam<Way> {};

TEST_P(StreamReleaseTest, ALeaseIsClearedAfterTheWorkOnItsStreamAndNoSooner) {
  in_process(GetParam().variables, [] {
    const FakeDriver driver;
    const Gpu gpu;
    const Imported imported;
    EXPECT_EQ(imported.lease(), 0u) << "the probe leaves nothing behind";
    for (const CUstream stream : {gpu.stream, CUstream{nullptr}, CU_STREAM_PER_THREAD}) {
      const size_t events = driver.calls("cuEventRecord");
      imported.lease(1) = kClaim;
      imported.lease(2) = kClaim;
      Gate gate(gpu, stream);
      must(imported.region().release_after(stream, {}, imported.lease(1)));
      must(imported.region().release_after(gpu.make_stream(CU_STREAM_NON_BLOCKING), {}, imported.lease(2)));
      // The thread waits in order.
      if (GetParam().events == 0) {
        EXPECT_TRUE(soon([&] { return imported.lease(2) == 0; })) << "another stream";
      }
      EXPECT_EQ(imported.lease(1), kClaim);
      gate.open();
      EXPECT_TRUE(soon([&] { return imported.lease(1) == 0 && imported.lease(2) == 0; }));
      EXPECT_EQ(driver.calls("cuEventRecord") - events, 2 * GetParam().events);
    }
  });
}

TEST_P(StreamReleaseTest, ARegionIsHeldUntilItsLeasesAreCleared) {
  in_process(GetParam().variables, [] {
    const Gpu gpu;
    Imported imported;
    imported.lease() = kClaim;
    Gate gate(gpu, gpu.stream);
    must(imported.region().release_after(gpu.stream, {}, imported.lease()));
    std::thread destroying([&] {
      imported.let_go();
      EXPECT_EQ(imported.lease(), 0u);
    });
    gate.open();
    destroying.join();
  });
}

TEST_P(StreamReleaseTest, WhatTheDriverRefusesChangesNothing) {
  in_process(GetParam().variables, [] {
    const Gpu gpu;
    const Imported imported;
    imported.lease() = kClaim;
    const CUstream gone = gpu.make_stream(CU_STREAM_NON_BLOCKING);
    must(gpu.driver.cuStreamDestroy(gone));
    const auto released = imported.region().release_after(gone, {}, imported.lease());
    ASSERT_FALSE(released);
    EXPECT_THAT(released.error().text(), HasSubstr("GPU 0 (Fake GPU 0, GPU-"));
    EXPECT_EQ(imported.lease(), kClaim);
  });
}

TEST_P(StreamReleaseTest, AStreamThatIsCapturedReleasesNothing) {
  auto variables = GetParam().variables;
  variables.emplace_back("FAKE_CUDA_CAPTURING", "1");
  in_process(variables, [] {
    const Gpu gpu;
    const Imported imported;
    imported.lease() = kClaim;
    for (const auto& error : {imported.region().release_after(gpu.stream, {}, imported.lease()).error(),
                              imported.region().mark(gpu.stream).error()}) {
      EXPECT_EQ(error.code, proto::ErrorCode::kInvalidArgument);
      EXPECT_THAT(error.text(), HasSubstr("captured"));
    }
    EXPECT_EQ(imported.lease(), kClaim);
    must(imported.region().release_after(nullptr, {}, imported.lease()));
    EXPECT_TRUE(soon([&] { return imported.lease() == 0; }));
  });
}

INSTANTIATE_TEST_SUITE_P(
    Ways, StreamReleaseTest,
    ::testing::Values(Way{"ByTheDevice", {}, 0},
                      Way{"WithoutStreamMemoryOperations", {{"FAKE_CUDA_NO_STREAM_MEM_OPS", "1"}}, 1},
                      Way{"WhereTheFirstWriteFails", {{"FAKE_CUDA_FAIL", "cuStreamWriteValue64=801"}}, 1}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace framering::internal
