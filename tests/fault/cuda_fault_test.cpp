// What dies with frames in GPU memory: clients, daemons, devices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "framering/framering.h"
#include "proto/unique_fd.h"
#include "tests/support/daemon_process.h"
#include "tests/support/device_frame.h"
#include "tests/support/fake_driver.h"
#include "tests/support/gpu_process.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::AnyOf;
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
  void SetUp() override { need_gpu(); }
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
      gpu.launch("test_gate", GateArguments{static_cast<uint64_t*>(never)}, gpu.stream);
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

// Words that a GPU and all processes of a test see.
std::span<uint64_t> shared_words() {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::runtime_error("no memory");
  return {static_cast<uint64_t*>(page), 4096 / sizeof(uint64_t)};
}

// Leases a frame, keeps its GPU busy with it and counts a beat all the while.
int read_without_end(const std::string& socket, std::span<uint64_t> words, uint64_t* beats) {
  const Gpu gpu;
  must(gpu.driver.cuMemHostRegister(words.data(), words.size_bytes(), CU_MEMHOSTREGISTER_DEVICEMAP));
  Stream stream = Connection::connect(socket).open({.source = kSource, .max_leases = 1});
  auto frame = stream.next(20s);
  const GateArguments forever{words.data(), beats};
  if (!frame || gpu.launch("test_gate", forever, gpu.stream) != CUDA_SUCCESS) return 1;
  if (!frame->release_after(gpu.stream)) return 2;
  pause();
  return 3;
}

bool has_ended(int pidfd) {
  pollfd state{pidfd, POLLIN, 0};
  return poll(&state, 1, 0) == 1;
}

TEST_P(CudaFaultTest, OfAHundredKilledInMidKernelNoSlotIsTakenBeforeTheirWorkHasEnded) {
  in_process({}, [] {
    constexpr size_t kWaves = 10, kClients = 10;
    const DaemonProcess daemon(
        {"--source", kSource, "--memory", GetParam(), "--slots", "16", "--lease-ms", "60000"});
    Connection connection = Connection::connect(daemon.socket());
    for (size_t wave = 0; wave < kWaves && !::testing::Test::HasFailure(); ++wave) {
      const std::span<uint64_t> words = shared_words();
      std::vector<Child> clients;
      std::vector<proto::UniqueFd> pidfds;
      for (size_t i = 0; i < kClients; ++i) {
        clients.emplace_back([&] { return read_without_end(daemon.socket(), words, &words[1 + i]); });
        pidfds.emplace_back(static_cast<int>(syscall(SYS_pidfd_open, clients.back().pid(), 0)));
      }
      const auto beating = [&](size_t i) { return std::atomic_ref(words[1 + i]).load(); };
      for (size_t i = 0; i < kClients; ++i) {
        ASSERT_TRUE(soon([&] { return beating(i) > 0; })) << "wave " << wave;
        EXPECT_EQ(leases_of(connection, clients[i].pid()), 1u);
      }
      for (const Child& client : clients) client.kill(SIGKILL);
      for (size_t i = 0; i < kClients; ++i) {
        EXPECT_TRUE(soon([&] {
          if (leases_of(connection, clients[i].pid()) > 0) return false;
          EXPECT_TRUE(has_ended(pidfds[i].get())) << "its slot is free, but it is not dead";
          return true;
        }));
      }
      std::vector<uint64_t> beats;
      for (size_t i = 0; i < kClients; ++i) beats.push_back(beating(i));
      for (Child& client : clients) EXPECT_EQ(client.wait(), 128 + SIGKILL);
      for (size_t i = 0; i < kClients; ++i) EXPECT_EQ(beating(i), beats[i]) << "its GPU work goes on";
      munmap(words.data(), words.size_bytes());
    }
    EXPECT_TRUE(soon([&] { return connection.list().at(0).client_count == 0; }));
    Stream stream = connection.open({.source = kSource});
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(stream.next(10s));
  });
}

// What the kernel's write comes to: on a GPU an error of its context, which is of no more use; the fake
// driver ends the process.
constexpr int kWriteFailed = 3;

TEST_F(GpuTest, AWriteToFramesThatAreMappedReadOnlyHarmsTheWriterAlone) {
  in_process({}, [] {
    constexpr const char* kStill = "test:160x120@0.01";
    const DaemonProcess daemon({"--source", kStill, "--memory", "cuda"});
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    Child writer([&] {
      signal(SIGSEGV, SIG_DFL);
      char go = 0;
      if (read(ends[0], &go, 1) != 1) return 1;
      const Gpu gpu;
      Stream stream = Connection::connect(daemon.socket()).open({.source = kStill});
      const auto frame = stream.latest();
      if (!frame) return 2;
      // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the device
      auto* const pixels = reinterpret_cast<uint8_t*>(frame->device_pointer());
      gpu.launch("test_fill", FillArguments{pixels, frame->size_bytes(), 0xff}, gpu.stream);
      return gpu.driver.cuStreamSynchronize.raw(gpu.stream) == CUDA_SUCCESS ? 0 : kWriteFailed;
    });
    Stream stream = Connection::connect(daemon.socket()).open({.source = kStill});
    const auto frame = stream.latest();
    ASSERT_TRUE(frame);
    const auto before = pixels_of(*frame);
    ASSERT_TRUE(barcode_of(*frame));
    ASSERT_EQ(write(ends[1], "", 1), 1);
    EXPECT_THAT(writer.wait(), AnyOf(kWriteFailed, 128 + SIGSEGV));
    EXPECT_EQ(pixels_of(*frame), before);
    EXPECT_TRUE(frame->valid());
    Stream again = Connection::connect(daemon.socket()).open({.source = kStill});
    EXPECT_EQ(pixels_of(*again.latest()), before);
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

// What only the fake driver can be made to do.
class CudaFaultFakeTest : public CudaFaultTest {};

TEST_P(CudaFaultFakeTest, AnErrorThatPassesEndsTheStreamWithTheReasonAndItComesBack) {
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
TEST_P(CudaFaultFakeTest, ADeviceThatIsLostEndsTheStreamWithTheReasonAndTheDaemonStartsAnew) {
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

std::string kind_name(const ::testing::TestParamInfo<const char*>& info) {
  return std::string(info.param) == "cuda" ? "cuda" : "cuda_ipc";
}
INSTANTIATE_TEST_SUITE_P(Kinds, CudaFaultTest, ::testing::Values("cuda", "cuda-ipc"), kind_name);
INSTANTIATE_TEST_SUITE_P(Kinds, CudaFaultFakeTest, ::testing::Values("cuda", "cuda-ipc"), kind_name);

}  // namespace
}  // namespace framering::testing
