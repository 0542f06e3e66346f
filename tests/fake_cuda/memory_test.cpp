// Device memory as the driver hands it out: VMM, legacy IPC, registered host memory.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <csignal>
#include <cstdint>
#include <cstring>

#include "tests/support/gpu_process.h"

namespace framering::testing {
namespace {

constexpr size_t kBytes = 4 * kMiB;

CUmemGenericAllocationHandle import(const Gpu& gpu, int fd) {
  CUmemGenericAllocationHandle handle = 0;
  must(gpu.driver.cuMemImportFromShareableHandle(&handle, reinterpret_cast<void*>(static_cast<intptr_t>(fd)),
                                                 CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
  return handle;
}

UniqueFd export_fd(const Gpu& gpu, CUmemGenericAllocationHandle handle) {
  int fd = -1;
  must(gpu.driver.cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
  return UniqueFd(fd);
}

void* anonymous_page(int protection) {
  return mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

// The exit code of a write to the address, in a process of its own that has the memory.
int write_to(CUdeviceptr address) {
  Child child([address] {
    signal(SIGSEGV, SIG_DFL);  // a sanitizer's report is not what is asked for
    *reinterpret_cast<volatile char*>(address) = 1;
    return 0;
  });
  return child.wait();
}

TEST(FakeCudaMemory, ExportedMemoryIsTheSameInAnotherProcessAndUser) {
  in_process({}, [] {
    const Pipe pipe;
    Child importer([&] {
      const Gpu gpu;
      become_nobody();
      const auto [bytes, fd] = pipe.receive<size_t>(1);
      const CUdeviceptr address = gpu.map(import(gpu, fd.get()), bytes);
      EXPECT_EQ(gpu.set_access(address, bytes, CU_MEM_ACCESS_FLAGS_PROT_READWRITE), CUDA_SUCCESS);
      EXPECT_TRUE(gpu.holds(address, 0x5a, bytes));
      gpu.fill(address, 0xa5, bytes);
      return ::testing::Test::HasFailure() ? 1 : 0;
    });
    const Gpu gpu;
    const auto handle = gpu.create(kBytes);
    const CUdeviceptr address = gpu.map(handle, kBytes);
    ASSERT_EQ(gpu.set_access(address, kBytes, CU_MEM_ACCESS_FLAGS_PROT_READWRITE), CUDA_SUCCESS);
    gpu.fill(address, 0x5a, kBytes);
    pipe.send(0, kBytes, {export_fd(gpu, handle).get()});
    ASSERT_EQ(importer.wait(), 0);
    EXPECT_TRUE(gpu.holds(address, 0xa5, kBytes));
  });
}

TEST(FakeCudaMemory, AccessIsWhatWasSet) {
  in_process({}, [] {
    const Gpu gpu;
    const CUdeviceptr address = gpu.map(gpu.create(kBytes), kBytes);
    EXPECT_EQ(write_to(address), 128 + SIGSEGV) << "before any access is set";
    EXPECT_EQ(gpu.driver.cuMemsetD8Async.raw(address, 0, 1, gpu.stream), CUDA_ERROR_INVALID_VALUE);

    ASSERT_EQ(gpu.set_access(address, kBytes, CU_MEM_ACCESS_FLAGS_PROT_READWRITE), CUDA_SUCCESS);
    gpu.fill(address, 7, kBytes);
    EXPECT_EQ(write_to(address), 0);

    ASSERT_EQ(gpu.set_access(address, kBytes, CU_MEM_ACCESS_FLAGS_PROT_READ), CUDA_SUCCESS);
    EXPECT_TRUE(gpu.holds(address + 1, 7, kBytes - 1));
    EXPECT_EQ(write_to(address), 128 + SIGSEGV) << "through a read-only mapping";
    EXPECT_EQ(gpu.driver.cuMemsetD8Async.raw(address, 0, 1, gpu.stream), CUDA_ERROR_INVALID_VALUE);
    const char byte = 0;
    EXPECT_EQ(gpu.driver.cuMemcpyHtoDAsync.raw(address, &byte, 1, gpu.stream), CUDA_ERROR_INVALID_VALUE);
  });
}

TEST(FakeCudaMemory, KernelThatWritesToAReadOnlyMappingFaults) {
  std::fflush(nullptr);
  Child child([] {
    const Gpu gpu;
    signal(SIGSEGV, SIG_DFL);
    const CUdeviceptr address = gpu.map(gpu.create(kBytes), kBytes);
    gpu.set_access(address, kBytes, CU_MEM_ACCESS_FLAGS_PROT_READ);
    gpu.launch("test_fill", FillArguments{reinterpret_cast<uint8_t*>(address), 1, 1}, gpu.stream);
    gpu.driver.cuStreamSynchronize.raw(gpu.stream);
    return 0;
  });
  EXPECT_EQ(child.wait(), 128 + SIGSEGV);
}

TEST(FakeCudaMemory, MappingsAreMadeAndUndoneWhole) {
  in_process({}, [] {
    const Gpu gpu;
    const CudaDriver& driver = gpu.driver;
    const auto handle = gpu.create(kBytes);
    CUdeviceptr address = 0;
    EXPECT_EQ(driver.cuMemAddressReserve.raw(&address, 4096, 0, 0, 0), CUDA_ERROR_INVALID_VALUE);
    ASSERT_EQ(driver.cuMemAddressReserve.raw(&address, 2 * kBytes, 0, 0, 0), CUDA_SUCCESS);
    EXPECT_EQ(address % (2 * kMiB), 0u);
    EXPECT_EQ(driver.cuMemMap.raw(address, 2 * kBytes, 0, handle, 0), CUDA_ERROR_NOT_SUPPORTED);
    EXPECT_EQ(driver.cuMemMap.raw(address + 4096, 2 * kMiB, 0, handle, 0), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver.cuMemMap.raw(address + 2 * kBytes, kBytes, 0, handle, 0), CUDA_ERROR_INVALID_VALUE);
    ASSERT_EQ(driver.cuMemMap.raw(address, kBytes, 0, handle, 0), CUDA_SUCCESS);
    EXPECT_EQ(driver.cuMemMap.raw(address, kBytes, 0, handle, 0), CUDA_ERROR_INVALID_VALUE) << "mapped";

    const auto read_write = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    EXPECT_EQ(gpu.set_access(address, kBytes / 2, read_write), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(gpu.set_access(address, 2 * kBytes, read_write), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver.cuMemUnmap.raw(address, kBytes / 2), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver.cuMemAddressFree.raw(address, 2 * kBytes), CUDA_ERROR_INVALID_VALUE) << "mapped";
    ASSERT_EQ(driver.cuMemUnmap.raw(address, kBytes), CUDA_SUCCESS);
    EXPECT_EQ(driver.cuMemAddressFree.raw(address, kBytes), CUDA_ERROR_INVALID_VALUE) << "not all of it";
    EXPECT_EQ(driver.cuMemAddressFree.raw(address, 2 * kBytes), CUDA_SUCCESS);
    EXPECT_EQ(driver.cuMemAddressFree.raw(address, 2 * kBytes), CUDA_ERROR_INVALID_VALUE);
  });
}

TEST(FakeCudaMemory, OneAccessForSeveralMappingsInARow) {
  in_process({}, [] {
    const Gpu gpu;
    CUdeviceptr address = 0;
    must(gpu.driver.cuMemAddressReserve(&address, 2 * kBytes, 0, 0, 0));
    must(gpu.driver.cuMemMap(address, kBytes, 0, gpu.create(kBytes), 0));
    must(gpu.driver.cuMemMap(address + kBytes, kBytes, 0, gpu.create(kBytes), 0));
    ASSERT_EQ(gpu.set_access(address, 2 * kBytes, CU_MEM_ACCESS_FLAGS_PROT_READWRITE), CUDA_SUCCESS);
    gpu.fill(address, 3, 2 * kBytes);
    EXPECT_TRUE(gpu.holds(address, 3, 2 * kBytes));
    EXPECT_EQ(gpu.driver.cuMemsetD8Async.raw(address, 0, 2 * kBytes + 1, gpu.stream),
              CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(gpu.driver.cuMemUnmap.raw(address, 2 * kBytes), CUDA_SUCCESS);
  });
}

TEST(FakeCudaMemory, MemoryIsFreedWithTheLastHandleAndMapping) {
  in_process({{"FAKE_CUDA_MEMORY_MB", "6"}}, [] {
    const Gpu gpu;
    const CUmemAllocationProp properties = device_memory();
    CUmemGenericAllocationHandle other = 0;
    const auto handle = gpu.create(kBytes);
    const CUdeviceptr address = gpu.map(handle, kBytes);
    EXPECT_EQ(gpu.driver.cuMemCreate.raw(&other, kBytes, &properties, 0), CUDA_ERROR_OUT_OF_MEMORY);
    CUdeviceptr allocated = 0;
    EXPECT_EQ(gpu.driver.cuMemAlloc.raw(&allocated, kBytes), CUDA_ERROR_OUT_OF_MEMORY);

    ASSERT_EQ(gpu.driver.cuMemRelease.raw(handle), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuMemRelease.raw(handle), CUDA_ERROR_INVALID_VALUE);
    ASSERT_EQ(gpu.set_access(address, kBytes, CU_MEM_ACCESS_FLAGS_PROT_READWRITE), CUDA_SUCCESS);
    gpu.fill(address, 1, kBytes);
    EXPECT_EQ(gpu.driver.cuMemCreate.raw(&other, kBytes, &properties, 0), CUDA_ERROR_OUT_OF_MEMORY);
    ASSERT_EQ(gpu.driver.cuMemUnmap.raw(address, kBytes), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuMemCreate.raw(&other, kBytes, &properties, 0), CUDA_SUCCESS);
  });
}

TEST(FakeCudaMemory, ForeignDescriptorsAreNotImported) {
  in_process({}, [] {
    const Gpu gpu;
    const UniqueFd memfd(memfd_create("other", 0));
    for (const int fd : {memfd.get(), 0, 1000}) {
      CUmemGenericAllocationHandle handle = 0;
      void* shared = reinterpret_cast<void*>(static_cast<intptr_t>(fd));
      EXPECT_EQ(gpu.driver.cuMemImportFromShareableHandle.raw(&handle, shared,
                                                              CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR),
                CUDA_ERROR_UNKNOWN);
    }
    EXPECT_EQ(gpu.driver.cuCtxSynchronize.raw(), CUDA_SUCCESS) << "the device is not lost by it";
  });
}

TEST(FakeCudaMemory, WithoutVmmNothingOfItWorks) {
  in_process({{"FAKE_CUDA_NO_VMM", "1"}}, [] {
    const Gpu gpu;
    int supported = 1;
    must(gpu.driver.cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
                                         0));
    EXPECT_EQ(supported, 0);
    const CUmemAllocationProp properties = device_memory();
    CUmemGenericAllocationHandle handle = 0;
    EXPECT_EQ(gpu.driver.cuMemCreate.raw(&handle, kBytes, &properties, 0), CUDA_ERROR_NOT_SUPPORTED);
    EXPECT_NE(gpu.allocate(kBytes), 0u);
  });
}

TEST(FakeCudaMemory, IpcMemoryIsTheSameInAnotherProcessAndUserAndWritable) {
  in_process({}, [] {
    const Pipe pipe;
    Child importer([&] {
      const Gpu gpu;
      become_nobody();
      const CUipcMemHandle handle = pipe.receive<CUipcMemHandle>(1).first;
      CUdeviceptr address = 0;
      CUdeviceptr again = 0;
      must(gpu.driver.cuIpcOpenMemHandle(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
      must(gpu.driver.cuIpcOpenMemHandle(&again, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
      EXPECT_EQ(again, address);
      EXPECT_TRUE(gpu.holds(address, 0x5a, 1000));
      gpu.fill(address, 0xa5, 1000);
      EXPECT_EQ(gpu.driver.cuMemFree.raw(address), CUDA_ERROR_INVALID_VALUE);
      EXPECT_EQ(gpu.driver.cuIpcCloseMemHandle.raw(address), CUDA_SUCCESS);
      EXPECT_TRUE(gpu.holds(address, 0xa5, 1000)) << "opened twice, closed once";
      EXPECT_EQ(gpu.driver.cuIpcCloseMemHandle.raw(address), CUDA_SUCCESS);
      EXPECT_EQ(gpu.driver.cuIpcCloseMemHandle.raw(address), CUDA_ERROR_INVALID_VALUE);
      return ::testing::Test::HasFailure() ? 1 : 0;
    });
    const Gpu gpu;
    const CUdeviceptr address = gpu.allocate(1000);
    gpu.fill(address, 0x5a, 1000);
    CUipcMemHandle handle;
    must(gpu.driver.cuIpcGetMemHandle(&handle, address));
    CUdeviceptr own = 0;
    EXPECT_EQ(gpu.driver.cuIpcOpenMemHandle.raw(&own, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS),
              CUDA_ERROR_INVALID_CONTEXT);
    pipe.send(0, handle);
    ASSERT_EQ(importer.wait(), 0);
    EXPECT_TRUE(gpu.holds(address, 0xa5, 1000));
  });
}

TEST(FakeCudaMemory, IpcMemoryIsNotOpenedOnceItOrItsProcessIsGone) {
  in_process({}, [] {
    const Pipe pipe;
    Child exporter([&] {
      const Gpu gpu;
      const CUdeviceptr kept = gpu.allocate(1000);
      const CUdeviceptr freed = gpu.allocate(1000);
      CUipcMemHandle handle;
      must(gpu.driver.cuIpcGetMemHandle(&handle, kept));
      pipe.send(0, handle);
      must(gpu.driver.cuIpcGetMemHandle(&handle, freed));
      must(gpu.driver.cuMemFree(freed));
      pipe.send(0, handle);
      pipe.receive<int>(0);  // until it is killed
      return 0;
    });
    const CUipcMemHandle kept = pipe.receive<CUipcMemHandle>(1).first;
    const CUipcMemHandle freed = pipe.receive<CUipcMemHandle>(1).first;
    const Gpu gpu;
    const auto open = [&](const CUipcMemHandle& handle) {
      CUdeviceptr address = 0;
      const CUresult opened =
          gpu.driver.cuIpcOpenMemHandle.raw(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
      if (opened == CUDA_SUCCESS) must(gpu.driver.cuIpcCloseMemHandle(address));
      return opened;
    };
    EXPECT_EQ(open(freed), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(open(kept), CUDA_SUCCESS);
    exporter.kill(SIGKILL);
    exporter.wait();
    EXPECT_EQ(open(kept), CUDA_ERROR_INVALID_VALUE);
  });
}

TEST(FakeCudaMemory, RegisteredHostMemoryIsUsedByItsAddress) {
  in_process({}, [] {
    const Gpu gpu;
    auto* page = static_cast<unsigned char*>(anonymous_page(PROT_READ | PROT_WRITE));
    CUdeviceptr address = 0;
    EXPECT_EQ(gpu.driver.cuMemHostGetDevicePointer.raw(&address, page, 0), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(gpu.driver.cuMemHostRegister.raw(page, 4096, 0x40), CUDA_ERROR_INVALID_VALUE);
    ASSERT_EQ(gpu.driver.cuMemHostRegister.raw(page, 4096, CU_MEMHOSTREGISTER_PORTABLE), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuMemHostRegister.raw(page + 8, 8, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    must(gpu.driver.cuMemHostGetDevicePointer(&address, page + 8, 0));
    EXPECT_EQ(address, reinterpret_cast<CUdeviceptr>(page + 8));
    gpu.fill(address, 9, 100);
    EXPECT_EQ(page[8], 9);
    EXPECT_EQ(gpu.driver.cuMemHostUnregister.raw(page + 8), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(gpu.driver.cuMemHostUnregister.raw(page), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver.cuMemHostUnregister.raw(page), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  });
}

TEST(FakeCudaMemory, ReadOnlyPagesAreRegisteredAsSuchOrNotAtAll) {
  in_process({}, [] {
    const Gpu gpu;
    void* page = anonymous_page(PROT_READ);
    EXPECT_EQ(gpu.driver.cuMemHostRegister.raw(page, 4096, 0), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(gpu.driver.cuMemHostRegister.raw(page, 4096, CU_MEMHOSTREGISTER_READ_ONLY), CUDA_SUCCESS);
    void* unmapped = anonymous_page(PROT_READ | PROT_WRITE);
    munmap(unmapped, 4096);
    EXPECT_EQ(gpu.driver.cuMemHostRegister.raw(unmapped, 4096, 0), CUDA_ERROR_INVALID_VALUE);
  });
  in_process({{"FAKE_CUDA_NO_READ_ONLY_REGISTER", "1"}}, [] {
    const Gpu gpu;
    void* page = anonymous_page(PROT_READ);
    EXPECT_EQ(gpu.driver.cuMemHostRegister.raw(page, 4096, CU_MEMHOSTREGISTER_READ_ONLY),
              CUDA_ERROR_NOT_SUPPORTED);
  });
}

TEST(FakeCudaMemory, PointersSayWhatTheyAre) {
  in_process({{"FAKE_CUDA_DEVICES", "2"}}, [] {
    const Gpu gpu;
    const CUdeviceptr mapped = gpu.map(gpu.create(kBytes), kBytes);
    const CUdeviceptr allocated = gpu.allocate(100);
    void* page = anonymous_page(PROT_READ | PROT_WRITE);
    must(gpu.driver.cuMemHostRegister(page, 4096, 0));
    const auto attribute = [&](CUdeviceptr address, CUpointer_attribute which, auto value) {
      must(gpu.driver.cuPointerGetAttribute(static_cast<void*>(&value), which, address));
      return value;
    };
    const auto type = CU_POINTER_ATTRIBUTE_MEMORY_TYPE;
    EXPECT_EQ(attribute(mapped + 5, type, 0u), static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
    EXPECT_EQ(attribute(allocated, type, 0u), static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
    EXPECT_EQ(attribute(reinterpret_cast<CUdeviceptr>(page), type, 0u),
              static_cast<unsigned>(CU_MEMORYTYPE_HOST));
    EXPECT_EQ(attribute(mapped, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, -1), 0);
    const CUcontext none = nullptr;
    EXPECT_EQ(attribute(allocated, CU_POINTER_ATTRIBUTE_CONTEXT, none), gpu.context.get());
    EXPECT_EQ(attribute(mapped, CU_POINTER_ATTRIBUTE_CONTEXT, gpu.context.get()), none);
    EXPECT_NE(attribute(mapped, CU_POINTER_ATTRIBUTE_BUFFER_ID, 0ull),
              attribute(allocated, CU_POINTER_ATTRIBUTE_BUFFER_ID, 0ull));
    unsigned value = 0;
    EXPECT_EQ(gpu.driver.cuPointerGetAttribute.raw(&value, type, reinterpret_cast<CUdeviceptr>(&value)),
              CUDA_ERROR_INVALID_VALUE);
  });
}

}  // namespace
}  // namespace framering::testing
