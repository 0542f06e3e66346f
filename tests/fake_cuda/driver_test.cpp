// Devices, contexts, and errors on demand.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/support/gpu_process.h"

namespace framering::testing {
namespace {

using proto::find_cuda_device;
using proto::uuid_text;

// A file that goes with the test.
class File {
 public:
  File() {
    char name[] = "/tmp/fake_cuda_test.XXXXXX";
    close(mkstemp(name));
    path_ = name;
  }
  ~File() { std::remove(path_.c_str()); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::string& path() const { return path_; }
  std::string text() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // As a whole, so that nobody reads a half of it.
  void write(const std::string& text) const {
    std::ofstream(path_ + ".new") << text;
    ASSERT_EQ(std::rename((path_ + ".new").c_str(), path_.c_str()), 0);
  }

 private:
  std::string path_;
};

TEST(FakeCudaDriver, DevicesAreFoundByNumberAndUuid) {
  in_process({{"FAKE_CUDA_DEVICES", "3"}}, [] {
    const CudaDriver& driver = load();
    const CudaDevice first = must(find_cuda_device(driver, ""));
    const CudaDevice last = must(find_cuda_device(driver, "2"));
    EXPECT_EQ(first.index, 0);
    EXPECT_EQ(last.index, 2);
    EXPECT_NE(first.uuid, last.uuid);
    EXPECT_NE(first.name, last.name);
    EXPECT_EQ(must(find_cuda_device(driver, uuid_text(last.uuid))).index, 2);
    EXPECT_EQ(must(find_cuda_device(driver, last.uuid)).index, 2);
    const auto none = find_cuda_device(driver, "3");
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().text().find(uuid_text(last.uuid)), std::string::npos) << none.error().text();
  });
}

TEST(FakeCudaDriver, VisibleDevicesAreNumberedAnewAndKeepTheirUuid) {
  framering::proto::CudaUuid second{};
  const Pipe pipe;
  in_process({{"FAKE_CUDA_DEVICES", "2"}}, [&] { pipe.send(0, must(find_cuda_device(load(), "1")).uuid); });
  second = pipe.receive<framering::proto::CudaUuid>(1).first;
  in_process({{"FAKE_CUDA_DEVICES", "2"}, {"CUDA_VISIBLE_DEVICES", "1"}}, [&] {
    EXPECT_EQ(must(find_cuda_device(load(), "0")).uuid, second);
    EXPECT_FALSE(find_cuda_device(load(), "1"));
  });
}

TEST(FakeCudaDriver, ImportsNeedTheDeviceOfTheMemory) {
  in_process({{"FAKE_CUDA_DEVICES", "2"}}, [&] {
    const Pipe pipe;
    Child importer([&] {
      setenv("CUDA_VISIBLE_DEVICES", "1", 1);
      const Gpu gpu;
      const auto [bytes, fd] = pipe.receive<size_t>(1);
      CUmemGenericAllocationHandle handle = 0;
      void* shared = reinterpret_cast<void*>(static_cast<intptr_t>(fd.get()));
      EXPECT_EQ(gpu.driver.cuMemImportFromShareableHandle.raw(&handle, shared,
                                                              CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR),
                CUDA_ERROR_INVALID_DEVICE);
      return ::testing::Test::HasFailure() ? 1 : 0;
    });
    const Gpu gpu;
    int fd = -1;
    must(gpu.driver.cuMemExportToShareableHandle(&fd, gpu.create(2 * kMiB),
                                                 CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    pipe.send(0, 2 * kMiB, {fd});
    EXPECT_EQ(importer.wait(), 0);
  });
}

TEST(FakeCudaDriver, ContextsAreCurrentInTheThreadThatPushedThem) {
  in_process({}, [] {
    const CudaDriver& driver = load();
    const CudaContext context = must(CudaContext::retain(driver, 0));
    CUcontext current = nullptr;
    CUdevice device = -1;
    EXPECT_EQ(driver.cuCtxGetCurrent.raw(&current), CUDA_SUCCESS);
    EXPECT_EQ(current, nullptr);
    EXPECT_EQ(driver.cuCtxGetDevice.raw(&device), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT_EQ(driver.cuCtxPopCurrent.raw(&current), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT_EQ(driver.cuCtxSynchronize.raw(), CUDA_ERROR_INVALID_CONTEXT);
    {
      const CudaCurrent scope(driver, context.get());
      must(driver.cuCtxGetCurrent(&current));
      EXPECT_EQ(current, context.get());
      must(driver.cuCtxGetDevice(&device));
      EXPECT_EQ(device, 0);
      EXPECT_EQ(driver.cuCtxSynchronize.raw(), CUDA_SUCCESS);
    }
    must(driver.cuCtxGetCurrent(&current));
    EXPECT_EQ(current, nullptr);
    EXPECT_EQ(driver.cuCtxPushCurrent.raw(reinterpret_cast<CUcontext>(&device)), CUDA_ERROR_INVALID_CONTEXT);
  });
}

TEST(FakeCudaDriver, PrimaryContextLivesUntilItsLastRelease) {
  in_process({}, [] {
    const Gpu gpu;
    CUcontext again = nullptr;
    must(gpu.driver.cuDevicePrimaryCtxRetain(&again, 0));
    EXPECT_EQ(again, gpu.context.get());
    const CUdeviceptr memory = gpu.allocate(8);
    must(gpu.driver.cuDevicePrimaryCtxRelease(0));
    gpu.fill(memory, 1, 8);
    must(gpu.driver.cuDevicePrimaryCtxRelease(0));
    EXPECT_EQ(gpu.driver.cuCtxSynchronize.raw(), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    EXPECT_EQ(gpu.driver.cuDevicePrimaryCtxRelease.raw(0), CUDA_ERROR_INVALID_CONTEXT);

    must(gpu.driver.cuDevicePrimaryCtxRetain(&again, 0));
    EXPECT_EQ(gpu.driver.cuCtxSynchronize.raw(), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuMemFree.raw(memory), CUDA_ERROR_INVALID_VALUE) << "it went with the context";
    EXPECT_EQ(gpu.driver.cuStreamSynchronize.raw(gpu.stream), CUDA_ERROR_INVALID_HANDLE);
  });
}

TEST(FakeCudaDriver, ForkedChildIsRefused) {
  in_process({}, [] {
    const Gpu gpu;
    Child child([&] {
      int count = 0;
      CUdeviceptr address = 0;
      EXPECT_EQ(gpu.driver.cuInit.raw(0), CUDA_ERROR_NOT_INITIALIZED);
      EXPECT_EQ(gpu.driver.cuDeviceGetCount.raw(&count), CUDA_ERROR_NOT_INITIALIZED);
      EXPECT_EQ(gpu.driver.cuMemAlloc.raw(&address, 8), CUDA_ERROR_NOT_INITIALIZED);
      EXPECT_EQ(gpu.driver.cuStreamSynchronize.raw(gpu.stream), CUDA_ERROR_NOT_INITIALIZED);
      EXPECT_EQ(gpu.driver.cuDriverGetVersion.raw(&count), CUDA_SUCCESS);
      return ::testing::Test::HasFailure() ? 1 : 0;
    });
    EXPECT_EQ(child.wait(), 0);
    EXPECT_NE(gpu.allocate(8), 0u) << "the parent goes on";
  });
}

TEST(FakeCudaFault, CallsFailFromTheOneThatIsAskedFor) {
  in_process({{"FAKE_CUDA_FAIL", "cuMemAlloc=2@3,cuStreamCreate=801"}}, [] {
    const CudaDriver& driver = load();
    const CudaContext context = must(CudaContext::retain(driver, 0));
    const CudaCurrent current(driver, context.get());
    CUdeviceptr address = 0;
    CUstream stream = nullptr;
    EXPECT_EQ(driver.cuStreamCreate.raw(&stream, 0), CUDA_ERROR_NOT_SUPPORTED);
    EXPECT_EQ(driver.cuMemAlloc.raw(&address, 8), CUDA_SUCCESS);
    EXPECT_EQ(driver.cuMemAlloc.raw(&address, 8), CUDA_SUCCESS);
    const auto failed = driver.cuMemAlloc(&address, 8);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, framering::proto::ErrorCode::kOutOfMemory);
    EXPECT_EQ(failed.error().message, "cuMemAlloc_v2 failed: CUDA_ERROR_OUT_OF_MEMORY, out of memory");
    EXPECT_EQ(driver.cuMemAlloc.raw(&address, 8), CUDA_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(driver.cuCtxSynchronize.raw(), CUDA_SUCCESS) << "such an error does not stick";
  });
}

TEST(FakeCudaFault, FileReachesARunningProcess) {
  const File control;
  in_process({{"FAKE_CUDA_CONTROL", control.path()}}, [&] {
    const Gpu gpu;
    CUdeviceptr address = 0;
    EXPECT_EQ(gpu.driver.cuMemAlloc.raw(&address, 8), CUDA_SUCCESS);
    control.write("cuMemAlloc=2\n");
    EXPECT_EQ(gpu.driver.cuMemAlloc.raw(&address, 8), CUDA_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(gpu.driver.cuCtxSynchronize.raw(), CUDA_SUCCESS);
    std::remove(control.path().c_str());
    EXPECT_EQ(gpu.driver.cuMemAlloc.raw(&address, 8), CUDA_SUCCESS);
  });
}

TEST(FakeCudaFault, LostDeviceIsLostForTheProcess) {
  const File control;
  in_process({{"FAKE_CUDA_CONTROL", control.path()}, {"FAKE_CUDA_DEVICES", "2"}}, [&] {
    const Gpu gpu;
    const auto handle = gpu.create(2 * kMiB);
    const CUdeviceptr mapped = gpu.map(handle, 2 * kMiB);
    control.write("*=719");
    EXPECT_EQ(gpu.driver.cuStreamSynchronize.raw(gpu.stream), CUDA_ERROR_LAUNCH_FAILED);
    std::remove(control.path().c_str());
    CUdeviceptr address = 0;
    EXPECT_EQ(gpu.driver.cuMemAlloc.raw(&address, 8), CUDA_ERROR_LAUNCH_FAILED);
    EXPECT_EQ(gpu.driver.cuStreamDestroy.raw(gpu.stream), CUDA_ERROR_LAUNCH_FAILED);
    EXPECT_EQ(gpu.driver.cuMemUnmap.raw(mapped, 2 * kMiB), CUDA_SUCCESS) << "that takes no context";
    EXPECT_EQ(gpu.driver.cuMemRelease.raw(handle), CUDA_SUCCESS);

    CUcontext context = nullptr;
    EXPECT_EQ(gpu.driver.cuDevicePrimaryCtxRelease.raw(0), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuDevicePrimaryCtxRetain.raw(&context, 0), CUDA_ERROR_LAUNCH_FAILED);
    EXPECT_EQ(gpu.driver.cuDevicePrimaryCtxRetain.raw(&context, 1), CUDA_SUCCESS) << "the other one is fine";
  });
  in_process({}, [] { EXPECT_NE(Gpu().allocate(8), 0u); });
}

TEST(FakeCudaFault, QueuedWorkOfALostDeviceIsSkipped) {
  const File control;
  in_process({{"FAKE_CUDA_CONTROL", control.path()}}, [&] {
    const Gpu gpu;
    auto* words = static_cast<uint64_t*>(std::aligned_alloc(4096, 4096));
    std::memset(words, 0, 4096);
    must(gpu.driver.cuMemHostRegister(words, 4096, 0));
    const auto address = reinterpret_cast<CUdeviceptr>(words);
    ASSERT_EQ(gpu.launch("test_gate", GateArguments{words}, gpu.stream), CUDA_SUCCESS);
    must(gpu.driver.cuStreamWriteValue64(gpu.stream, address + 8, 1, 0));
    control.write("cuMemAlloc=700");
    CUdeviceptr memory = 0;
    EXPECT_EQ(gpu.driver.cuMemAlloc.raw(&memory, 8), CUDA_ERROR_ILLEGAL_ADDRESS);
    std::atomic_ref<uint64_t>(words[0]).store(1);
    must(gpu.driver.cuDevicePrimaryCtxRelease(0));  // waits for the streams
    EXPECT_EQ(std::atomic_ref<uint64_t>(words[1]), 0u);
  });
}

TEST(FakeCudaFault, CallsAreRecorded) {
  const File log;
  in_process({{"FAKE_CUDA_LOG", log.path()}}, [] {
    const Gpu gpu;
    gpu.fill(gpu.allocate(8), 1, 8);
    gpu.launch("test_delay", DelayArguments{0}, gpu.stream);
  });
  const std::string text = log.text();
  for (const char* line :
       {" cuMemAlloc\n", " cuMemsetD8Async\n", " cuLaunchKernel\n", " kernel test_delay\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "is not in\n" << text;
  EXPECT_EQ(text.find("cuMemCreate"), std::string::npos);
}

TEST(FakeCudaFault, SenselessRequestsEndTheProcess) {
  for (const char* faults : {"cuMemAlloc", "cuMemAlloc=two", "cuMemAlloc=2@"}) {
    std::fflush(nullptr);
    Child child([&] {
      signal(SIGABRT, SIG_DFL);
      setenv("FAKE_CUDA_FAIL", faults, 1);
      load();
      return 0;
    });
    EXPECT_EQ(child.wait(), 128 + SIGABRT) << faults;
  }
}

}  // namespace
}  // namespace framering::testing
