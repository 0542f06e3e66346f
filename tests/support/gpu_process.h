// Tests of what CUDA does, over the machine's driver or the fake one: each in a process of its own, since a
// driver's state lives as long as its process.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "proto/channel.h"
#include "proto/cuda_driver.h"
#include "proto/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/in_process.h"
#include "tests/support/test_kernels.h"

extern const unsigned char framering_test_kernels[];

namespace framering::testing {

using proto::CudaContext;
using proto::CudaCurrent;
using proto::CudaDevice;
using proto::CudaDriver;
using proto::Result;
using proto::Status;
using proto::UniqueFd;

constexpr size_t kMiB = 1 << 20;
constexpr uid_t kNobody = 65534;

// In SetUp(): skips the test where there is no GPU. Where the fake driver should be, none is a failure.
inline void need_gpu() {
  Child probe([] { return CudaDriver::load() ? 0 : 1; });
  if (probe.wait() == 0) return;
  const char* libraries = std::getenv("LD_LIBRARY_PATH");
  if (libraries && std::strstr(libraries, "fake_cuda")) GTEST_FAIL() << "the fake driver does not load";
  GTEST_SKIP() << "there is no usable CUDA device here";
}

class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override { need_gpu(); }
};

// The value; an error ends the process and is printed.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

inline const CudaDriver& load() {
  return *must(CudaDriver::load());
}

inline CUmemAllocationProp device_memory(int device = 0) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = device;
  properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  return properties;
}

// A device with its primary context current, and a stream.
class Gpu {
 public:
  const CudaDriver& driver = load();
  CudaContext context = must(CudaContext::retain(driver, 0));
  CudaCurrent current{driver, context.get()};
  CUstream stream = make_stream(CU_STREAM_NON_BLOCKING);

  CUstream make_stream(unsigned flags) const {
    CUstream made = nullptr;
    must(driver.cuStreamCreate(&made, flags));
    return made;
  }
  CUmemGenericAllocationHandle create(size_t bytes) const {
    const CUmemAllocationProp properties = device_memory();
    CUmemGenericAllocationHandle handle = 0;
    must(driver.cuMemCreate(&handle, bytes, &properties, 0));
    return handle;
  }
  CUdeviceptr map(CUmemGenericAllocationHandle handle, size_t bytes) const {
    CUdeviceptr address = 0;
    must(driver.cuMemAddressReserve(&address, bytes, 0, 0, 0));
    must(driver.cuMemMap(address, bytes, 0, handle, 0));
    return address;
  }
  CUresult set_access(CUdeviceptr address, size_t bytes, CUmemAccess_flags flags) const {
    CUmemAccessDesc access{};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.flags = flags;
    return driver.cuMemSetAccess.raw(address, bytes, &access, 1);
  }
  CUdeviceptr allocate(size_t bytes) const {
    CUdeviceptr address = 0;
    must(driver.cuMemAlloc(&address, bytes));
    return address;
  }

  void fill(CUdeviceptr address, unsigned char value, size_t bytes) const {
    must(driver.cuMemsetD8Async(address, value, bytes, stream));
    must(driver.cuStreamSynchronize(stream));
  }
  std::vector<unsigned char> read(CUdeviceptr address, size_t bytes) const {
    std::vector<unsigned char> got(bytes);
    must(driver.cuMemcpyDtoHAsync(got.data(), address, bytes, stream));
    must(driver.cuStreamSynchronize(stream));
    return got;
  }
  bool holds(CUdeviceptr address, unsigned char value, size_t bytes) const {
    return read(address, bytes) == std::vector<unsigned char>(bytes, value);
  }

  // Of test_kernels.h.
  CUfunction function(const char* name) const {
    if (!module_) must(driver.cuModuleLoadData(&module_, framering_test_kernels));
    CUfunction found = nullptr;
    must(driver.cuModuleGetFunction(&found, module_, name));
    return found;
  }
  template <class Arguments>
  CUresult launch(const char* name, Arguments arguments, CUstream on) const {
    void* parameters[] = {&arguments};
    return driver.cuLaunchKernel.raw(function(name), 1, 1, 1, 1, 1, 1, 0, on, parameters, nullptr);
  }

 private:
  mutable CUmodule module_ = nullptr;
};

// Between a process and the one that it forked.
class Pipe {
 public:
  Pipe() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
      throw std::runtime_error("no socketpair");
    ends_[0].reset(ends[0]);
    ends_[1].reset(ends[1]);
  }
  template <class Value>
  void send(int end, const Value& value, std::vector<int> fds = {}) const {
    must(proto::send_packet(ends_[end].get(), std::as_bytes(std::span(&value, 1)), fds));
  }
  // Waits for it at most a minute.
  template <class Value>
  std::pair<Value, UniqueFd> receive(int end) const {
    pollfd ready{ends_[end].get(), POLLIN, 0};
    if (poll(&ready, 1, 60000) != 1) throw std::runtime_error("nothing received");
    auto received = must(proto::receive_packet(ends_[end].get()));
    std::pair<Value, UniqueFd> got;
    if (received.packet.bytes.size() != sizeof got.first) throw std::runtime_error("the other end is gone");
    std::memcpy(&got.first, received.packet.bytes.data(), sizeof got.first);
    if (!received.packet.fds.empty()) got.second = std::move(received.packet.fds[0]);
    return got;
  }

 private:
  UniqueFd ends_[2];
};

// With the driver loaded: the rest of the process runs as another user, where it may.
inline void become_nobody() {
  if (getuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0)
    throw std::runtime_error("setresuid failed");
}

}  // namespace framering::testing
