// What dies with frames in GPU memory: clients, daemons, devices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "framering/framering.h"
#include "tests/fake_cuda/gpu_process.h"
#include "tests/support/daemon_process.h"
#include "tests/support/device_frame.h"
#include "tests/support/fake_driver.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using fake_cuda::GateArguments;
using fake_cuda::Gpu;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr const char* kSource = "test:160x120@240";

template <class Condition>
bool soon(Condition&& condition) {
  for (const auto end = Clock::now() + 20s; Clock::now() < end; std::this_thread::sleep_for(5ms)) {
    if (condition()) return true;
  }
  return false;
}

// The error that ends the reading.
std::optional<Error> read_until_error(Stream& stream) {
  try {
    for (const auto end = Clock::now() + 20s; Clock::now() < end;) stream.next(1s);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

template <class Work>
std::optional<ErrorCode> code_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

uint32_t leases_of(Connection& connection, pid_t pid) {
  const std::vector<StreamInfo> streams = connection.list();
  for (const ClientInfo& client : streams.at(0).clients) {
    if (client.pid == static_cast<uint32_t>(pid)) return client.leases_held;
  }
  return 0;
}

class CudaFaultTest : public ::testing::TestWithParam<const char*> {
 protected:
  static std::vector<std::string> arguments() {
    return {"--source", kSource, "--memory", GetParam(), "--slots", "4", "--lease-ms", "60000"};
  }
};

TEST_P(CudaFaultTest, AClientKilledInMidKernelKeepsItsSlotUntilItIsDead) {
  in_process({}, [] {
    const DaemonProcess daemon(arguments());
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    Child client([&] {
      const Gpu gpu;
      Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
      auto frame = stream.next(10s);
      void* never = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      gpu.launch("fake_gate", GateArguments{static_cast<uint64_t*>(never)}, gpu.stream);
      if (!frame || !frame->release_after(gpu.stream) || write(ends[1], "", 1) != 1) return 1;
      pause();
      return 2;
    });
    char byte = 0;
    ASSERT_EQ(read(ends[0], &byte, 1), 1);

    Connection connection = Connection::connect(daemon.socket());
    Stream other = connection.open({.source = kSource});
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(other.next(10s));
      ASSERT_EQ(leases_of(connection, client.pid()), 1u) << "its GPU still reads";
    }
    const pid_t pid = client.pid();
    client.kill(SIGKILL);
    EXPECT_EQ(client.wait(), 128 + SIGKILL);
    EXPECT_TRUE(soon([&] { return leases_of(connection, pid) == 0; }));
    EXPECT_TRUE(soon([&] { return connection.list().at(0).client_count == 1; }));
    EXPECT_TRUE(other.next(10s));
  });
}

TEST_P(CudaFaultTest, WhatIsHeldStaysReadableWhenTheDaemonIsKilled) {
  in_process({}, [] {
    DaemonProcess daemon(arguments());
    const Gpu gpu;
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
    auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    const auto before = pixels_of(*frame);
    daemon.end(SIGKILL);
    const auto error = read_until_error(stream);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::disconnected);
    EXPECT_EQ(pixels_of(*frame), before);
    EXPECT_TRUE(frame->valid());
    EXPECT_TRUE(frame->release_after(gpu.stream));
  });
}

TEST_P(CudaFaultTest, AnErrorThatPassesEndsTheStreamWithTheReasonAndItComesBack) {
  in_process({}, [] {
    const FakeDriver driver;
    const DaemonProcess daemon(arguments());
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
    auto held = stream.next(10s);
    ASSERT_TRUE(held);
    const auto before = pixels_of(*held);
    driver.fail("cuMemcpyHtoDAsync=801");  // a call of the daemon's alone
    const auto error = read_until_error(stream);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::stream_ended);
    EXPECT_THAT(error->what(), AllOf(HasSubstr("GPU 0 (Fake GPU 0, GPU-"), HasSubstr("cuMemcpyHtoDAsync"),
                                     HasSubstr("CUDA_ERROR_NOT_SUPPORTED")));
    EXPECT_EQ(pixels_of(*held), before);
    driver.fail("");
    EXPECT_TRUE(soon([&] { return !code_of([&] { stream.reopen(); }); }));
    const auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    EXPECT_TRUE(barcode_of(*frame));
    EXPECT_GT(frame->sequence(), held->sequence());
    EXPECT_EQ(pixels_of(*held), before);
  });
}

// Of such a device the driver says no more to this process, whatever it does.
TEST_P(CudaFaultTest, ADeviceThatIsLostEndsTheStreamWithTheReasonAndTheDaemonStartsAnew) {
  in_process({}, [] {
    const FakeDriver driver;
    const DaemonProcess daemon(arguments());
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
    auto held = stream.next(10s);
    ASSERT_TRUE(held);
    const auto before = pixels_of(*held);
    driver.fail("cuMemcpyHtoDAsync=700");
    const auto error = read_until_error(stream);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::stream_ended);
    EXPECT_THAT(error->what(), AllOf(HasSubstr("GPU 0 (Fake GPU 0, GPU-"), HasSubstr("cuMemcpyHtoDAsync"),
                                     HasSubstr("CUDA_ERROR_ILLEGAL_ADDRESS")));
    driver.fail("");
    EXPECT_TRUE(soon([&] { return code_of([&] { stream.reopen(); }) == ErrorCode::disconnected; }));
    EXPECT_EQ(pixels_of(*held), before);

    std::optional<Stream> again;
    EXPECT_TRUE(soon([&] {
      return !code_of([&] { again = Connection::connect(daemon.socket()).open({.source = kSource}); });
    }));
    ASSERT_TRUE(again);
    const auto frame = again->next(10s);
    ASSERT_TRUE(frame);
    EXPECT_TRUE(barcode_of(*frame));
    EXPECT_EQ(kill(daemon.pid(), 0), 0) << "the same process";
  });
}

TEST_P(CudaFaultTest, AForkedChildIsRefusedAndHarmsNothing) {
  in_process({}, [] {
    const DaemonProcess daemon(arguments());
    const Gpu gpu;
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
    auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    const auto before = pixels_of(*frame);
    Child child([&] {
      if (code_of([&] { stream.next(1s); }) != ErrorCode::forked) return 1;
      if (code_of([&] { frame->release_after(gpu.stream); }) != ErrorCode::forked) return 2;
      const auto opened = code_of([&] { Connection::connect(daemon.socket()).open({.source = kSource}); });
      if (opened != ErrorCode::forked) return 3;
      frame.reset();
      return 0;
    });
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(frame->valid());
    EXPECT_EQ(pixels_of(*frame), before);
    EXPECT_TRUE(frame->release());
    EXPECT_TRUE(stream.next(10s));
  });
}

INSTANTIATE_TEST_SUITE_P(Kinds, CudaFaultTest, ::testing::Values("cuda", "cuda-ipc"), [](const auto& info) {
  return std::string(info.param) == "cuda" ? "cuda" : "cuda_ipc";
});

}  // namespace
}  // namespace framering::testing
