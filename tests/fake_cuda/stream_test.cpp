// Streams, events, kernels: what is done when, and in which order.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "tests/support/gpu_process.h"

namespace framering::testing {
namespace {

// A page of words that the GPU may write, registered.
class Words {
 public:
  explicit Words(const Gpu& gpu, int protection = PROT_READ | PROT_WRITE, unsigned flags = 0)
      : words_(static_cast<uint64_t*>(mmap(nullptr, 4096, protection, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    must(gpu.driver.cuMemHostRegister(words_, 4096, flags));
  }
  std::atomic_ref<uint64_t> operator[](size_t index) const { return std::atomic_ref(words_[index]); }
  uint64_t* pointer(size_t index) const { return words_ + index; }
  CUdeviceptr address(size_t index) const { return reinterpret_cast<CUdeviceptr>(words_ + index); }

 private:
  uint64_t* words_;
};

CUresult write_word(const Gpu& gpu, CUstream stream, CUdeviceptr address, uint64_t value) {
  return gpu.driver.cuStreamWriteValue64.raw(stream, address, value, 0);
}

TEST(FakeCudaStream, WorkIsAsynchronousAndInOrder) {
  in_process({}, [] {
    const Gpu gpu;
    const Words words(gpu);
    ASSERT_EQ(gpu.launch("test_gate", GateArguments{words.pointer(0)}, gpu.stream), CUDA_SUCCESS);
    ASSERT_EQ(write_word(gpu, gpu.stream, words.address(1), 1), CUDA_SUCCESS);
    ASSERT_EQ(write_word(gpu, gpu.stream, words.address(1), 2), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuStreamQuery.raw(gpu.stream), CUDA_ERROR_NOT_READY);
    EXPECT_EQ(words[1], 0u);
    words[0] = 1;
    EXPECT_EQ(gpu.driver.cuStreamSynchronize.raw(gpu.stream), CUDA_SUCCESS);
    EXPECT_EQ(words[1], 2u);
    EXPECT_EQ(gpu.driver.cuStreamQuery.raw(gpu.stream), CUDA_SUCCESS);
  });
}

TEST(FakeCudaStream, WorkOfADestroyedStreamIsDone) {
  in_process({}, [] {
    const Gpu gpu;
    const Words words(gpu);
    CUstream stream = gpu.make_stream(CU_STREAM_NON_BLOCKING);
    ASSERT_EQ(gpu.launch("test_gate", GateArguments{words.pointer(0)}, stream), CUDA_SUCCESS);
    ASSERT_EQ(write_word(gpu, stream, words.address(1), 1), CUDA_SUCCESS);
    must(gpu.driver.cuStreamDestroy(stream));
    EXPECT_EQ(gpu.driver.cuStreamSynchronize.raw(stream), CUDA_ERROR_INVALID_HANDLE);
    words[0] = 1;
    must(gpu.driver.cuCtxSynchronize());
    EXPECT_EQ(words[1], 1u);
  });
}

TEST(FakeCudaStream, EventsOrderStreams) {
  in_process({}, [] {
    const Gpu gpu;
    const Words words(gpu);
    CUevent event = nullptr;
    must(gpu.driver.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    EXPECT_EQ(gpu.driver.cuEventSynchronize.raw(event), CUDA_SUCCESS) << "never recorded";
    CUstream other = gpu.make_stream(CU_STREAM_NON_BLOCKING);
    const CUdeviceptr memory = gpu.allocate(8);
    must(gpu.driver.cuMemsetD8Async(memory, 0, 8, other));
    must(gpu.driver.cuStreamSynchronize(other));  // its thread runs: nothing but the event holds it up

    ASSERT_EQ(gpu.launch("test_gate", GateArguments{words.pointer(0)}, gpu.stream), CUDA_SUCCESS);
    // Time enough for a stream that does not wait.
    ASSERT_EQ(gpu.launch("test_delay", DelayArguments{50000}, gpu.stream), CUDA_SUCCESS);
    ASSERT_EQ(write_word(gpu, gpu.stream, words.address(1), 0x0505050505050505), CUDA_SUCCESS);
    must(gpu.driver.cuEventRecord(event, gpu.stream));
    must(gpu.driver.cuStreamWaitEvent(other, event, CU_EVENT_WAIT_DEFAULT));
    must(gpu.driver.cuMemcpyHtoDAsync(memory, words.pointer(1), 8, other));
    EXPECT_EQ(gpu.driver.cuStreamQuery.raw(other), CUDA_ERROR_NOT_READY);
    must(gpu.driver.cuEventDestroy(event));  // what waits for it still does
    words[0] = 1;
    must(gpu.driver.cuStreamSynchronize(other));
    EXPECT_TRUE(gpu.holds(memory, 5, 8));
  });
}

TEST(FakeCudaStream, LegacyStreamOrdersBlockingStreamsAlone) {
  in_process({}, [] {
    const Gpu gpu;
    const Words words(gpu);
    CUstream blocking = gpu.make_stream(CU_STREAM_DEFAULT);
    ASSERT_EQ(gpu.launch("test_gate", GateArguments{words.pointer(0)}, blocking), CUDA_SUCCESS);
    ASSERT_EQ(write_word(gpu, CU_STREAM_LEGACY, words.address(1), 1), CUDA_SUCCESS);
    ASSERT_EQ(write_word(gpu, CU_STREAM_PER_THREAD, words.address(2), 1), CUDA_SUCCESS);
    ASSERT_EQ(write_word(gpu, gpu.stream, words.address(3), 1), CUDA_SUCCESS);
    must(gpu.driver.cuStreamSynchronize(gpu.stream));
    EXPECT_EQ(words[3], 1u) << "a non-blocking stream waits for nothing";
    EXPECT_EQ(gpu.driver.cuStreamQuery.raw(nullptr), CUDA_ERROR_NOT_READY);
    EXPECT_EQ(gpu.driver.cuStreamQuery.raw(CU_STREAM_PER_THREAD), CUDA_ERROR_NOT_READY);
    words[0] = 1;
    must(gpu.driver.cuStreamSynchronize(CU_STREAM_PER_THREAD));
    EXPECT_EQ(words[1], 1u) << "the legacy stream came before it";
    EXPECT_EQ(words[2], 1u);
  });
}

TEST(FakeCudaStream, EachThreadHasAStreamOfItsOwn) {
  in_process({}, [] {
    const Gpu gpu;
    const Words words(gpu);
    ASSERT_EQ(gpu.launch("test_gate", GateArguments{words.pointer(0)}, CU_STREAM_PER_THREAD), CUDA_SUCCESS);
    std::thread([&] {
      const CudaCurrent current(gpu.driver, gpu.context.get());
      EXPECT_EQ(write_word(gpu, CU_STREAM_PER_THREAD, words.address(1), 1), CUDA_SUCCESS);
      must(gpu.driver.cuStreamSynchronize(CU_STREAM_PER_THREAD));
    }).join();
    EXPECT_EQ(words[1], 1u);
    EXPECT_EQ(gpu.driver.cuStreamQuery.raw(CU_STREAM_PER_THREAD), CUDA_ERROR_NOT_READY);
    words[0] = 1;
    must(gpu.driver.cuCtxSynchronize());
  });
}

TEST(FakeCudaStream, CopiesOfRegisteredMemoryAreAsynchronousOthersDoneOnReturn) {
  in_process({}, [] {
    const Gpu gpu;
    const Words words(gpu);
    const CUdeviceptr memory = gpu.allocate(16);
    uint64_t pageable = 5;
    must(gpu.driver.cuMemcpyHtoDAsync(memory, &pageable, 8, gpu.stream));
    pageable = 6;
    words[1] = 7;
    ASSERT_EQ(gpu.launch("test_gate", GateArguments{words.pointer(0)}, gpu.stream), CUDA_SUCCESS);
    must(gpu.driver.cuMemcpyHtoDAsync(memory + 8, words.pointer(1), 8, gpu.stream));
    must(gpu.driver.cuMemcpyDtoHAsync(words.pointer(2), memory, 16, gpu.stream));
    words[1] = 8;
    EXPECT_EQ(words[2], 0u);
    words[0] = 1;
    must(gpu.driver.cuStreamSynchronize(gpu.stream));
    EXPECT_EQ(words[2], 5u) << "what the pageable memory held at the call";
    EXPECT_EQ(words[3], 8u) << "what the registered memory holds when the GPU comes to it";
  });
}

TEST(FakeCudaStream, ValuesAreWrittenToMemoryThatTheDeviceMayWrite) {
  in_process({}, [] {
    const Gpu gpu;
    const Words words(gpu);
    uint64_t unregistered = 0;
    EXPECT_EQ(write_word(gpu, gpu.stream, reinterpret_cast<CUdeviceptr>(&unregistered), 1),
              CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(write_word(gpu, gpu.stream, words.address(0) + 4, 1), CUDA_ERROR_INVALID_VALUE);
    const CUdeviceptr memory = gpu.allocate(8);
    EXPECT_EQ(write_word(gpu, gpu.stream, memory, 0x0102030405060708), CUDA_SUCCESS);
    EXPECT_EQ(gpu.read(memory, 2), (std::vector<unsigned char>{8, 7}));
  });
  in_process({}, [] {
    const Gpu gpu;
    const Words words(gpu, PROT_READ, CU_MEMHOSTREGISTER_READ_ONLY);
    EXPECT_EQ(write_word(gpu, gpu.stream, words.address(0), 1), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuStreamSynchronize.raw(gpu.stream), CUDA_ERROR_LAUNCH_FAILED);
  });
}

TEST(FakeCudaStream, WithoutStreamMemoryOperationsValuesAreNotWritten) {
  in_process({{"FAKE_CUDA_NO_STREAM_MEM_OPS", "1"}}, [] {
    const Gpu gpu;
    const Words words(gpu);
    EXPECT_EQ(write_word(gpu, gpu.stream, words.address(0), 1), CUDA_ERROR_NOT_SUPPORTED);
    int supported = 1;
    must(gpu.driver.cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS, 0));
    EXPECT_EQ(supported, 0);
  });
}

TEST(FakeCudaStream, KernelsGetTheirArgumentAsItWasAtTheLaunch) {
  in_process({}, [] {
    const Gpu gpu;
    const Words words(gpu);
    FillArguments fill{reinterpret_cast<uint8_t*>(words.pointer(1)), 8, 0x11};
    CUfunction function = gpu.function("test_fill");
    ASSERT_EQ(gpu.launch("test_gate", GateArguments{words.pointer(0)}, gpu.stream), CUDA_SUCCESS);
    void* parameters[] = {&fill};
    must(gpu.driver.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, gpu.stream, parameters, nullptr));
    fill = {};
    words[0] = 1;
    must(gpu.driver.cuStreamSynchronize(gpu.stream));
    EXPECT_EQ(words[1], 0x1111111111111111u);
  });
}

TEST(FakeCudaStream, KernelsThatDoNotExistOrDoNotFitAreRefused) {
  in_process({}, [] {
    const Gpu gpu;
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    must(gpu.driver.cuModuleLoadData(&module, ""));
    EXPECT_EQ(gpu.driver.cuModuleGetFunction.raw(&function, module, "nobody"), CUDA_ERROR_NOT_FOUND);
    must(gpu.driver.cuModuleGetFunction(&function, module, "test_delay"));
    DelayArguments delay{0};
    void* parameters[] = {&delay};
    const auto launch = [&](unsigned grid, unsigned block) {
      return gpu.driver.cuLaunchKernel.raw(function, grid, 1, 1, block, 1, 1, 0, gpu.stream, parameters,
                                           nullptr);
    };
    EXPECT_EQ(launch(0, 1), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(launch(1, 1025), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(launch(1, 1024), CUDA_SUCCESS);
    must(gpu.driver.cuModuleUnload(module));
    EXPECT_EQ(launch(1, 1), CUDA_ERROR_INVALID_HANDLE);
  });
}

TEST(FakeCudaStream, WorkTakesAsLongAsIsAskedFor) {
  in_process({{"FAKE_CUDA_DELAY_US", "30000000"}}, [] {
    const Gpu gpu;
    const CUdeviceptr memory = gpu.allocate(8);
    must(gpu.driver.cuMemsetD8Async(memory, 1, 8, gpu.stream));
    EXPECT_EQ(gpu.driver.cuStreamQuery.raw(gpu.stream), CUDA_ERROR_NOT_READY);
    std::fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);  // the end of the process ends the work
  });
}

TEST(FakeCudaStream, StreamsNeedNoCurrentContextButTheDefaultOnesDo) {
  in_process({}, [] {
    const Gpu gpu;
    const CUdeviceptr memory = gpu.allocate(8);
    CUcontext popped = nullptr;
    must(gpu.driver.cuCtxPopCurrent(&popped));
    EXPECT_EQ(gpu.driver.cuMemsetD8Async.raw(memory, 1, 8, gpu.stream), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuStreamSynchronize.raw(gpu.stream), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuMemsetD8Async.raw(memory, 1, 8, nullptr), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT_EQ(gpu.driver.cuStreamSynchronize.raw(CU_STREAM_PER_THREAD), CUDA_ERROR_INVALID_CONTEXT);
    CUdeviceptr more = 0;
    EXPECT_EQ(gpu.driver.cuMemAlloc.raw(&more, 8), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT_EQ(gpu.driver.cuMemFree.raw(memory), CUDA_SUCCESS);
    must(gpu.driver.cuCtxPushCurrent(popped));
  });
}

}  // namespace
}  // namespace framering::testing
