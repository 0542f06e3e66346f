// Frames in GPU memory from the daemon to C++ clients, over the fake driver, whose device pointers are host
// addresses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "framering/framering.h"
#include "tests/support/bound_source.h"
#include "tests/support/daemon_process.h"
#include "tests/support/device_frame.h"
#include "tests/support/gpu_process.h"
#include "tests/support/seed.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/x11_pointer.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr const char* kSource = "test:320x240@240";

// What `work` throws; fails if it throws nothing.
std::optional<Error> error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return std::nullopt;
}

std::string text_of(const Error& error) {
  return std::string(error.what()) + " (" + error.hint() + ")";
}

// A folder with a file that no program can load as a driver.
class NoDriver {
 public:
  NoDriver() {
    char name[] = "/tmp/framering-no-driver-XXXXXX";
    folder_ = mkdtemp(name);
    std::ofstream(folder_ / "libcuda.so.1") << "none";
  }
  ~NoDriver() { std::filesystem::remove_all(folder_); }
  NoDriver(const NoDriver&) = delete;
  NoDriver& operator=(const NoDriver&) = delete;
  std::string folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

// What a command of the shell prints, and its exit code.
std::pair<int, std::string> output_of(const std::string& command) {
  // NOLINTNEXTLINE(bugprone-command-processor): each word of it is the test's own
  FILE* output = popen(command.c_str(), "r");
  std::string text;
  char buffer[256];
  while (fgets(buffer, sizeof buffer, output)) text += buffer;
  return {WEXITSTATUS(pclose(output)), text};
}

// Of a frameringd that does not start.
std::pair<int, std::string> refused_start(const std::string& variables, const std::string& arguments) {
  return output_of("env " + variables + " timeout 60 " FRAMERINGD " --socket /tmp/framering-" +
                   std::to_string(getpid()) + " --source " + kSource + " " + arguments + " 2>&1");
}

// Reads frames and checks every pixel.
void expect_intact_frames(Stream& stream, int count) {
  uint32_t last = 0;
  for (int i = 0; i < count; ++i) {
    const auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    const auto number = barcode_of(*frame);
    if (!frame->valid()) continue;
    ASSERT_TRUE(number) << "torn";
    EXPECT_TRUE(i == 0 || *number > last);
    last = *number;
  }
}

class CudaStreamTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { need_gpu(); }
};

TEST_P(CudaStreamTest, FramesAreReadInDeviceMemory) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", GetParam()});
    Connection connection = Connection::connect(daemon.socket());
    Stream stream = connection.open({.source = kSource});
    EXPECT_EQ(name(stream.memory()), GetParam());
    EXPECT_EQ(name(connection.list().at(0).memory), GetParam());
    const auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    EXPECT_EQ(name(frame->memory()), GetParam());
    EXPECT_EQ(frame->data(), nullptr);
    EXPECT_EQ(frame->device(), 0);
    ASSERT_NE(frame->device_pointer(), 0u);
    EXPECT_TRUE(barcode_of(*frame));
    EXPECT_TRUE(frame->valid());
    expect_intact_frames(stream, 100);
  });
}

TEST_P(CudaStreamTest, SeveralClientsOfSeveralUsersReadTheSameFrames) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", GetParam(), "--allow-uid", "65534"});
    const auto read = [&](uid_t uid) {
      return Child([&daemon, uid] {
        if (uid != 0 && getuid() == 0 && setresuid(uid, uid, uid) != 0) return 2;
        Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
        expect_intact_frames(stream, 100);
        return ::testing::Test::HasFailure() ? 1 : 0;
      });
    };
    Child first = read(0), second = read(0), foreign = read(kNobody);
    EXPECT_EQ(first.wait(), 0);
    EXPECT_EQ(second.wait(), 0);
    EXPECT_EQ(foreign.wait(), 0);
  });
}

TEST_F(GpuTest, SixteenClientsReadTwoStreams) {
  in_process({}, [] {
    const DaemonProcess daemon({},
                               "[[stream]]\nsource = \"test:320x240@60\"\nmemory = \"cuda\"\n"
                               "[[stream]]\nsource = \"test:101x77@60\"\nmemory = \"cuda-ipc\"\n");
    std::vector<Child> clients;
    for (int i = 0; i < 16; ++i) {
      clients.emplace_back([&] {
        Connection connection = Connection::connect(daemon.socket());
        Stream one = connection.open({.source = "test:320x240@60", .memory = Memory::cuda});
        Stream other = connection.open({.source = "test:101x77@60", .memory = Memory::cuda_ipc});
        for (int round = 0; round < 5 && !::testing::Test::HasFailure(); ++round) {
          expect_intact_frames(one, 10);
          expect_intact_frames(other, 10);
        }
        return ::testing::Test::HasFailure() ? 1 : 0;
      });
    }
    for (Child& client : clients) EXPECT_EQ(client.wait(), 0);
  });
}

// Drawn, then in a frame within a while that is shorter than the interval of the whole frames that would hide
// a mistake.
void expect_shown(Stream& stream, const std::vector<std::byte>& expected) {
  for (const auto end = Clock::now() + 3s; Clock::now() < end;) {
    const auto frame = stream.latest(5s);
    ASSERT_TRUE(frame);
    const daemon::Geometry geometry{frame->width(), frame->height(),
                                    static_cast<daemon::PixelFormat>(frame->format())};
    const auto pixels = pixels_of(*frame);
    if (frame->valid() && pixels.size() == expected.size() &&
        differing_pixels(geometry, pixels, expected) == 0)
      return;
  }
  ADD_FAILURE() << "the desktop is not what the newest frame shows";
}

TEST_P(CudaStreamTest, DesktopIsPixelExactWhateverIsDrawn) {
  std::mt19937 random(random_seed());
  in_process({}, [&random] {
    const Xvfb server({.screen = "801x601x24"});
    const DaemonProcess daemon({"--display", server.display(), "--memory", GetParam(), "--max-fps", "0"});
    X11Desktop desktop(server.display());
    desktop.open_windows(random);
    Stream stream = Connection::connect(daemon.socket()).open();
    for (int i = 0; i < 100 && !::testing::Test::HasFailure(); ++i) {
      desktop.draw_random(random);
      desktop.sync();
      expect_shown(stream, desktop.grab());
    }
  });
}

TEST_P(CudaStreamTest, AnEmbeddedPointerIsExactlyWhatTheServerComposes) {
  std::mt19937 random(random_seed());
  in_process({}, [&random] {
    const Xvfb server({.screen = "321x201x24"});
    const DaemonProcess daemon({"--display", server.display(), "--memory", GetParam(), "--max-fps", "0"});
    X11Desktop desktop(server.display());
    desktop.open_windows(random);
    X11Pointer pointer(server.display());
    Stream stream = Connection::connect(daemon.socket()).open({.cursor = CursorMode::embedded});
    const auto size = [&random] { return static_cast<uint16_t>(1 + random() % 40); };
    for (int i = 0; i < 100 && !::testing::Test::HasFailure(); ++i) {
      switch (random() % 3) {
        case 0:
          pointer.move(static_cast<int16_t>(random() % 321), static_cast<int16_t>(random() % 201));
          break;
        case 1:
          pointer.show(random_picture(random, size(), size()));
          break;
        default:
          desktop.draw_random(random);
          desktop.sync();
      }
      expect_shown(stream, pointer.composed());
    }
  });
}

TEST_P(CudaStreamTest, AResizeIsFollowedAndWhatIsHeldStaysReadable) {
  in_process({}, [] {
    const Xvfb server({.screen = "640x480x24"});
    const DaemonProcess daemon({"--display", server.display(), "--memory", GetParam()});
    X11Desktop desktop(server.display());
    desktop.fill({0, 0, 640, 480}, 0x00336699);
    desktop.sync();
    Stream stream = Connection::connect(daemon.socket()).open();
    expect_shown(stream, desktop.grab());
    const auto old = stream.latest();
    ASSERT_TRUE(old);
    const auto before = pixels_of(*old);
    desktop.resize(320, 200);
    desktop.fill({0, 0, 320, 200}, 0x00996633);
    desktop.sync();
    std::optional<Frame> fresh;
    for (const auto end = Clock::now() + 10s; Clock::now() < end && !(fresh && fresh->width() == 320);) {
      fresh.reset();
      fresh = stream.next(5s);
    }
    ASSERT_TRUE(fresh);
    EXPECT_EQ(fresh->height(), 200u);
    EXPECT_GT(fresh->epoch(), old->epoch());
    expect_shown(stream, desktop.grab());
    EXPECT_EQ(pixels_of(*old), before);
  });
}

// What only the fake driver's machine shows: its device pointers are host addresses.
class CudaStreamFakeTest : public CudaStreamTest {};

TEST_P(CudaStreamFakeTest, TheDevicePointerIsThatOfThePixels) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", GetParam()});
    Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
    const auto frame = stream.next(10s);
    ASSERT_TRUE(frame);
    const auto copy = pixels_of(*frame);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): see above
    const auto* device_memory = reinterpret_cast<const std::byte*>(frame->device_pointer());
    EXPECT_EQ(std::memcmp(device_memory, copy.data(), copy.size()), 0);
  });
}

std::string kind_name(const ::testing::TestParamInfo<const char*>& info) {
  return std::string(info.param) == "cuda" ? "cuda" : "cuda_ipc";
}
INSTANTIATE_TEST_SUITE_P(Kinds, CudaStreamFakeTest, ::testing::Values("cuda", "cuda-ipc"), kind_name);
INSTANTIATE_TEST_SUITE_P(Kinds, CudaStreamTest, ::testing::Values("cuda", "cuda-ipc"), kind_name);

TEST(CudaDevicesFake, AStreamIsOnTheDeviceThatItsConfigurationNames) {
  in_process({{"FAKE_CUDA_DEVICES", "2"}}, [] {
    char path[] = "/tmp/framering-config-XXXXXX";
    close(mkstemp(path));
    std::ofstream(path) << "sources = [\"test:64x64@60\"]\nmemory = \"host\"\n"
                           "[[stream]]\nsource = \"test:32x32@60\"\nmemory = \"cuda:1\"\n"
                           "[[stream]]\nsource = \"test:16x16@60\"\nmemory = \"cuda-ipc:0\"\n";
    const DaemonProcess daemon({"--config", path});
    Connection connection = Connection::connect(daemon.socket());
    for (const auto& [source, memory, device] :
         {std::tuple("test:64x64@60", Memory::host, -1), std::tuple("test:32x32@60", Memory::cuda, 1),
          std::tuple("test:16x16@60", Memory::cuda_ipc, 0)}) {
      Stream stream = connection.open({.source = source});
      const auto frame = stream.next(10s);
      ASSERT_TRUE(frame);
      EXPECT_EQ(frame->memory(), memory);
      EXPECT_EQ(frame->device(), device);
      EXPECT_TRUE(barcode_of(*frame));
    }
    unlink(path);
  });
}

TEST(CudaDevicesFake, AnotherDeviceThanTheCallersIsAnErrorThatNamesBoth) {
  in_process({{"FAKE_CUDA_DEVICES", "2"}}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda:1"});
    Connection connection = Connection::connect(daemon.socket());
    EXPECT_EQ(connection.open({.source = kSource, .device = "1"}).memory(), Memory::cuda);
    const auto error = error_of([&] { connection.open({.source = kSource, .device = "0"}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::memory_unavailable);
    EXPECT_THAT(text_of(*error), AllOf(HasSubstr("67707501, not of GPU 0"), HasSubstr("67707500")));
  });
}

TEST(CudaDevicesFake, ADeviceThatTheClientDoesNotSeeIsAnErrorThatSaysWhy) {
  in_process({{"FAKE_CUDA_DEVICES", "2"}}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda:1"});
    setenv("CUDA_VISIBLE_DEVICES", "0", 1);
    const auto error = error_of([&] { Connection::connect(daemon.socket()).open({.source = kSource}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::memory_unavailable);
    EXPECT_THAT(text_of(*error),
                AllOf(HasSubstr("67707501"), HasSubstr("67707500"), HasSubstr("CUDA_VISIBLE_DEVICES")));
  });
}

TEST(CudaDevicesFake, HostMemoryIsOnNoDevice) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource});
    const auto error =
        error_of([&] { Connection::connect(daemon.socket()).open({.source = kSource, .device = "0"}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::memory_unavailable);
    EXPECT_THAT(text_of(*error), HasSubstr("host memory"));
  });
}

TEST(CudaDevicesFake, AutoIsDeviceMemoryWhereThereIsADevice) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", "auto"});
    EXPECT_EQ(Connection::connect(daemon.socket()).list().at(0).memory, Memory::cuda);
  });
}

TEST(CudaDevicesFake, WithoutAUsableDriverAutoIsHostMemory) {
  const NoDriver none;
  const std::vector<std::pair<const char*, std::string>> cases[] = {
      {{"LD_LIBRARY_PATH", none.folder()}}, {{"FAKE_CUDA_NO_DEVICE", "1"}}, {{"FAKE_CUDA_NO_VMM", "1"}}};
  for (const auto& variables : cases) {
    in_process(variables, [] {
      const DaemonProcess daemon({"--source", kSource, "--memory", "auto"});
      Stream stream = Connection::connect(daemon.socket()).open({.source = kSource});
      EXPECT_EQ(stream.memory(), Memory::host);
      const auto frame = stream.next(10s);
      ASSERT_TRUE(frame);
      EXPECT_NE(frame->data(), nullptr);
      EXPECT_EQ(frame->device_pointer(), 0u);
      EXPECT_EQ(frame->device(), -1);
      EXPECT_TRUE(barcode_of(*frame));
    });
  }
}

TEST(CudaDevicesFake, WithoutAUsableDriverCudaIsRefusedWithWhatIsMissing) {
  const NoDriver none;
  const auto expect_refusal = [](const std::string& variables, const std::string& memory,
                                 const std::string& text) {
    const auto [code, said] = refused_start(variables, "--memory " + memory);
    EXPECT_EQ(code, 3) << said;
    EXPECT_THAT(said, HasSubstr(text));
  };
  expect_refusal("LD_LIBRARY_PATH=" + none.folder(), "cuda", "there is no CUDA driver here: ");
  expect_refusal("FAKE_CUDA_NO_DEVICE=1", "cuda", "finds no usable device");
  expect_refusal("FAKE_CUDA_NO_VMM=1", "cuda", "use memory = cuda-ipc");
  expect_refusal("FAKE_CUDA_DEVICES=2", "cuda:2", "there is no CUDA device 2 here");
  expect_refusal("FAKE_CUDA_MEMORY_MB=1", "cuda", "6 slots of 320x240 take 2 MiB");
}

TEST(CudaDevicesFake, AClientWithoutADriverIsToldWhereTheFramesAre) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda"});
    const NoDriver none;
    const auto [code, text] =
        output_of("LD_LIBRARY_PATH=" + none.folder() + " timeout 60 " FRAMERING " --socket " +
                  daemon.socket() + " grab " + kSource + " -o /dev/null 2>&1");
    EXPECT_NE(code, 0);
    EXPECT_THAT(text, AllOf(HasSubstr("the stream is in the memory of GPU-"), HasSubstr("no CUDA driver")));
  });
}

TEST(CudaDevicesFake, TheCommandGrabsFromDeviceMemory) {
  in_process({}, [] {
    const DaemonProcess daemon({"--source", kSource, "--memory", "cuda"});
    const auto [code, text] =
        output_of(std::string("timeout 60 ") + FRAMERING + " --socket " + daemon.socket() + " grab " +
                  kSource + " -o - | head -c 8 | od -An -c");
    EXPECT_THAT(text, HasSubstr("P   N   G"));
  });
}

}  // namespace
}  // namespace framering::testing
