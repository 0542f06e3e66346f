// What the programs make of the CUDA driver that they find. Each case is a process of its own: what was
// loaded stays.
#include "proto/cuda_driver.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "proto/unique_fd.h"
#include "tests/support/child.h"

namespace framering::proto {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Variables = std::vector<std::pair<const char*, const char*>>;

// What print_cuda_devices says of `which`, with the libcuda.so.1 in a folder.
std::string print(const std::string& folder, const Variables& variables = {}, const std::string& which = "") {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "pipe2 failed";
  const UniqueFd output(ends[0]);
  framering::testing::Child child([&] {
    dup2(ends[1], STDOUT_FILENO);
    setenv("LD_LIBRARY_PATH", folder.c_str(), 1);  // read when the program starts
    for (const auto& [name, value] : variables) setenv(name, value, 1);
    execl(PRINT_CUDA_DEVICES, PRINT_CUDA_DEVICES, which.c_str(), nullptr);
    return 127;
  });
  close(ends[1]);
  std::string text;
  char part[512];
  ssize_t got = 0;
  while ((got = read(output.get(), part, sizeof part)) > 0) text.append(part, static_cast<size_t>(got));
  child.wait();
  return text;
}

Variables two_devices() {
  return {{"FAKE_CUDA_DEVICES", "2"}};
}

std::string memory_unavailable() {
  return "error " + std::to_string(static_cast<int>(ErrorCode::kMemoryUnavailable)) + ": ";
}

TEST(CudaDriver, MissingLibraryIsSaid) {
  // A file that is no library hides the driver that a machine may have.
  char folder[] = "/tmp/cuda_driver_test.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  std::ofstream(std::string(folder) + "/libcuda.so.1") << "no library";
  EXPECT_THAT(print(folder), AllOf(StartsWith(memory_unavailable() + "there is no CUDA driver here: "),
                                   HasSubstr("libcuda.so.1"), HasSubstr("use host memory")));
  std::filesystem::remove_all(folder);
}

TEST(CudaDriver, MissingDeviceIsSaid) {
  EXPECT_THAT(print(FAKE_CUDA, {{"FAKE_CUDA_NO_DEVICE", "1"}}),
              AllOf(StartsWith(memory_unavailable() + "the CUDA driver finds no usable device: "),
                    HasSubstr("CUDA_ERROR_NO_DEVICE"), HasSubstr("nvidia-smi")));
}

TEST(CudaDriver, MissingCallAndVersionAreSaid) {
  EXPECT_THAT(print(FAKE_CUDA "/old", {{"FAKE_CUDA_DRIVER_VERSION", "11040"}}),
              AllOf(StartsWith(memory_unavailable() +
                               "the CUDA driver (for CUDA 11.4) is too old: it has no cuStreamWriteValue64"),
                    HasSubstr("install a driver of version")));
}

TEST(CudaDriver, DeviceIsFoundAsTheFirstByNumberAndByUuid) {
  const std::string first = print(FAKE_CUDA, two_devices());
  const std::string second = print(FAKE_CUDA, two_devices(), "1");
  EXPECT_THAT(first, StartsWith("0 GPU-"));
  ASSERT_THAT(second, StartsWith("1 GPU-"));
  const std::string uuid = second.substr(2, 40);
  EXPECT_EQ(print(FAKE_CUDA, two_devices(), uuid), second);
}

TEST(CudaDriver, DevicesThatThereAreAreListed) {
  for (const char* which : {"2", "-1", "1x", "GPU-00000000-0000-0000-0000-000000000000"}) {
    EXPECT_THAT(print(FAKE_CUDA, two_devices(), which),
                AllOf(StartsWith(memory_unavailable() + "there is no CUDA device " + which + " here"),
                      HasSubstr("there are: 0 = GPU-"), HasSubstr("1 = GPU-")));
  }
}

TEST(CudaDriver, UuidReadsAsNvidiaSmiPrintsIt) {
  CudaUuid uuid{};
  for (size_t i = 0; i < uuid.size(); ++i) uuid[i] = static_cast<std::byte>(0xf0 - 0x10 * i + i);
  EXPECT_EQ(uuid_text(uuid), "GPU-f0e1d2c3-b4a5-9687-7869-5a4b3c2d1e0f");
}

}  // namespace
}  // namespace framering::proto
