// Why a frame in GPU memory is given back in stream order: reads that are on a stream have not happened yet.
// A reader whose GPU takes 50 ms for each frame, at a stream of 240 Hz with 6 slots.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "framering/framering.h"
#include "tests/support/daemon_process.h"
#include "tests/support/device_frame.h"
#include "tests/support/fake_driver.h"
#include "tests/support/gpu_process.h"
#include "tests/support/soon.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kSource = "test:160x120@240";
constexpr size_t kFrameBytes = 160 * 120 * 4;
constexpr int kFrames = 40;

// Where the reader's GPU puts what it reads: pinned, so that the copies are asynchronous.
std::span<std::byte> pinned_memory(const Gpu& gpu, size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory");
  must(gpu.driver.cuMemHostRegister(memory, bytes, CU_MEMHOSTREGISTER_DEVICEMAP));
  return {static_cast<std::byte*>(memory), bytes};
}

// How many frames were not what they had been when they were leased, by the time the GPU read them.
int torn_frames(const std::function<void(Frame&, CUstream)>& give_back) {
  const DaemonProcess daemon(
      {"--source", kSource, "--memory", "cuda", "--slots", "6", "--lease-ms", "20000"});
  const Gpu gpu;
  const auto copies = pinned_memory(gpu, kFrames * kFrameBytes);
  Connection connection = Connection::connect(daemon.socket());
  Stream stream = connection.open({.source = kSource, .max_leases = 2});
  std::vector<std::optional<uint32_t>> leased;
  for (int i = 0; i < kFrames; ++i) {
    auto frame = stream.next(10s);
    if (!frame) throw std::runtime_error("no frame");
    leased.push_back(barcode_of(*frame));
    if (gpu.launch("test_delay", DelayArguments{50'000}, gpu.stream) != CUDA_SUCCESS) {
      throw std::runtime_error("no kernel");
    }
    must(gpu.driver.cuMemcpyDtoHAsync(copies.data() + static_cast<size_t>(i) * kFrameBytes,
                                      frame->device_pointer(), kFrameBytes, gpu.stream));
    give_back(*frame, gpu.stream);
    EXPECT_FALSE(*frame) << "for its user, the frame is released";
  }
  must(gpu.driver.cuStreamSynchronize(gpu.stream));
  int torn = 0;
  for (int i = 0; i < kFrames; ++i) {
    const auto copy = copies.subspan(static_cast<size_t>(i) * kFrameBytes, kFrameBytes);
    torn += barcode_in(copy, 160, 120) != leased[static_cast<size_t>(i)];
  }
  // Both leases are back.
  EXPECT_TRUE(stream.next(10s));
  EXPECT_TRUE(soon([&] { return connection.list().at(0).clients.at(0).leases_held == 0; }));
  return torn;
}

void release_in_stream_order(Frame& frame, CUstream stream) {
  EXPECT_TRUE(frame.release_after(stream));
}

class CudaRelease : public GpuTest {};
// What only the fake driver can be made to do.
class CudaReleaseFake : public GpuTest {};

TEST_F(CudaRelease, InStreamOrderNoFrameTears) {
  in_process({}, [] { EXPECT_EQ(torn_frames(release_in_stream_order), 0); });
}

TEST_F(CudaReleaseFake, InStreamOrderNoFrameTearsWithoutStreamMemoryOperations) {
  in_process({{"FAKE_CUDA_NO_STREAM_MEM_OPS", "1"}},
             [] { EXPECT_EQ(torn_frames(release_in_stream_order), 0); });
}

// The negative control: what the tests above would see if the order were not kept.
TEST_F(CudaRelease, AtOnceFramesTear) {
  in_process({}, [] { EXPECT_GT(torn_frames([](Frame& frame, CUstream) { frame.release(); }), 0); });
}

// Work that lasts until it is let through.
class Gate {
 public:
  explicit Gate(const Gpu& gpu) : open_(reinterpret_cast<uint64_t*>(pinned_memory(gpu, 4096).data())) {
    if (gpu.launch("test_gate", GateArguments{open_}, gpu.stream) != CUDA_SUCCESS) {
      throw std::runtime_error("no kernel");
    }
  }
  ~Gate() { open(); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  void open() { std::atomic_ref(*open_).store(1); }

 private:
  uint64_t* open_;
};

TEST_F(CudaRelease, NextWaitsForALeaseThatIsOnItsWayBack) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda", "--lease-ms", "60000"});
    const Gpu gpu;
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource, .max_leases = 1});
    auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    Gate gate(gpu);
    EXPECT_TRUE(frame->release_after(gpu.stream));
    EXPECT_FALSE(stream.next(50ms)) << "the only lease is with the GPU";
    EXPECT_FALSE(stream.next(0s));
    gate.open();
    EXPECT_TRUE(stream.next(10s));
  });
}

TEST_F(CudaRelease, WhoIsFasterThanTheDeviceWaitsForHisLeasesAndIsNeverToldThatHeHoldsThem) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda", "--lease-ms", "60000"});
    const Gpu gpu;
    for (const uint32_t max_leases : {1u, 2u}) {
      Stream stream =
          Connection::connect(daemon.socket()).open({.source = kSource, .max_leases = max_leases});
      for (int i = 0; i < 5000; ++i) {
        auto frame = stream.latest(10s);
        ASSERT_TRUE(frame);
        EXPECT_TRUE(frame->release_after(gpu.stream));
      }
    }
  });
}

// What it was held for is still waited for.
TEST_F(CudaReleaseFake, AReleaseThatIsRefusedChangesNothing) {
  in_process({}, [] {
    const FakeDriver driver;
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda", "--lease-ms", "60000"});
    const Gpu gpu;
    Connection connection = Connection::connect(daemon.socket());
    Stream stream = connection.open({.source = kSource});
    const auto held = [&] { return connection.list().at(0).clients.at(0).leases_held; };
    auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    Gate gate(gpu);
    frame->hold_until(gpu.stream);
    driver.fail("cuStreamWaitEvent=1");
    EXPECT_THROW(frame->release_after(gpu.make_stream(CU_STREAM_NON_BLOCKING)), Error);
    driver.fail("");
    EXPECT_TRUE(frame->release());
    for (int i = 0; i < 20; ++i) EXPECT_EQ(held(), 1u);
    gate.open();
    EXPECT_TRUE(soon([&] { return held() == 0; }));
  });
}

TEST_F(CudaReleaseFake, WorkOnAStreamThatIsCapturedIsRefusedBeforeItIsEnqueued) {
  in_process({{"FAKE_CUDA_CAPTURING", "1"}}, [] {
    const FakeDriver driver;
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda"});
    const Gpu gpu;
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
    const auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    const TensorSpec spec;
    CUdeviceptr out = 0;
    must(gpu.driver.cuMemAlloc(&out, tensor_bytes(spec, frame->width(), frame->height())));
    EXPECT_THROW(to_tensor(*frame, spec, reinterpret_cast<void*>(out), gpu.stream), Error);
    EXPECT_EQ(driver.calls("cuLaunchKernel"), 0u);
    to_tensor(*frame, spec, reinterpret_cast<void*>(out));
    EXPECT_EQ(driver.calls("cuLaunchKernel"), 1u);
  });
}

// Its queued work is skipped, also the writes that would have given the leases back.
TEST_F(CudaReleaseFake, ADeviceThatTheReaderHasLostKeepsNoLease) {
  in_process({}, [] {
    const FakeDriver driver;
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda"});
    const Gpu gpu;
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource, .max_leases = 1});
    auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    Gate gate(gpu);
    EXPECT_TRUE(frame->release_after(gpu.stream));
    driver.fail("cuEventCreate=700");
    CUevent event = nullptr;
    EXPECT_EQ(gpu.driver.cuEventCreate.raw(&event, CU_EVENT_DEFAULT), CUDA_ERROR_ILLEGAL_ADDRESS);
    EXPECT_TRUE(stream.next(10s));
  });
}

TEST_F(CudaRelease, LeasesThatAreHeldAreALimitAsEver) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda"});
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource, .max_leases = 1});
    const auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    try {
      stream.next(10s);
      ADD_FAILURE() << "a second lease";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::lease_limit);
    }
  });
}

TEST_F(CudaReleaseFake, TheEpochOutlivesReleasesThatAreOnTheirWay) {
  in_process({}, [] {
    const FakeDriver driver;
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda"});
    const Gpu gpu;
    Connection connection = Connection::connect(daemon.socket());
    auto stream = std::make_optional(connection.open({.source = kSource}));
    auto frame = stream->next(10s);
    ASSERT_TRUE(frame);
    Gate gate(gpu);
    EXPECT_TRUE(frame->release_after(gpu.stream));
    std::thread closing([&] { stream.reset(); });
    while (driver.calls("cuCtxSynchronize", getpid()) == 0) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(connection.list().at(0).clients.at(0).leases_held, 1u) << "the GPU may still read it";
    gate.open();
    closing.join();
    EXPECT_EQ(connection.list().at(0).client_count, 0u);
  });
}

TEST_F(CudaRelease, AFrameInHostMemoryHasNoStream) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource});
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
    auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    try {
      frame->release_after(nullptr);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    }
    EXPECT_TRUE(frame->release()) << "it is held as before";
    EXPECT_FALSE(frame->release_after(nullptr)) << "and then no more";
  });
}

}  // namespace
}  // namespace framering::testing
