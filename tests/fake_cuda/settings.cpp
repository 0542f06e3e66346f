#include "tests/fake_cuda/settings.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace fake_cuda {

namespace {

std::string text_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? value : "";
}

uint64_t number_of(const char* variable, uint64_t otherwise) {
  const std::string text = text_of(variable);
  if (text.empty()) return otherwise;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    senseless(std::string(variable) + "=" + text + " is no number");
  return number;
}

bool is_set(const char* variable) {
  return number_of(variable, 0) != 0;
}

// As the driver reads CUDA_VISIBLE_DEVICES: numbers, up to the first that is none.
// none.
std::vector<int> visible_devices() {
  const int count = is_set("FAKE_CUDA_NO_DEVICE") ? 0 : static_cast<int>(number_of("FAKE_CUDA_DEVICES", 1));
  if (count > kMaxDevices) senseless("FAKE_CUDA_DEVICES: more than " + std::to_string(kMaxDevices));
  std::vector<int> devices;
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) {
    std::stringstream list(visible);
    std::string item;
    while (std::getline(list, item, ',')) {
      int device = -1;
      const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), device);
      if (error != std::errc() || end != item.data() + item.size() || device < 0 || device >= count) break;
      devices.push_back(device);
    }
    return devices;
  }
  for (int device = 0; device < count; ++device) devices.push_back(device);
  return devices;
}

Settings read_environment() {
  Settings read;
  read.devices = visible_devices();
  if (const uint64_t mib = number_of("FAKE_CUDA_MEMORY_MB", 0)) read.memory_bytes = mib << 20;
  read.driver_version = static_cast<int>(number_of("FAKE_CUDA_DRIVER_VERSION", 13000));
  read.vmm = !is_set("FAKE_CUDA_NO_VMM");
  read.capturing = is_set("FAKE_CUDA_CAPTURING");
  read.stream_memory_operations = !is_set("FAKE_CUDA_NO_STREAM_MEM_OPS");
  read.read_only_registration = !is_set("FAKE_CUDA_NO_READ_ONLY_REGISTER");
  read.delay = std::chrono::microseconds(number_of("FAKE_CUDA_DELAY_US", 0));
  read.faults = text_of("FAKE_CUDA_FAIL");
  read.control_file = text_of("FAKE_CUDA_CONTROL");
  read.log_file = text_of("FAKE_CUDA_LOG");
  return read;
}

}  // namespace

const Settings& settings() {
  static const Settings* read = new Settings(read_environment());
  return *read;
}

void senseless(const std::string& what) {
  std::fprintf(stderr, "fake CUDA driver: %s\n", what.c_str());
  std::abort();
}

}  // namespace fake_cuda
