// What the environment asks of the fake driver: README.md lists the variables. Read once, at the first use.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace fake_cuda {

constexpr int kMaxDevices = 64;

struct Settings {
  std::vector<int> devices;  // the machine's devices that this process sees, by their number in the machine
  uint64_t memory_bytes = std::numeric_limits<uint64_t>::max();  // of each device
  int driver_version = 13000;
  bool vmm = true;
  bool stream_memory_operations = true;
  bool read_only_registration = true;
  bool capturing = false;              // every stream but the default ones, it says
  std::chrono::microseconds delay{0};  // of each copy, memset and kernel
  std::string faults;
  std::string control_file;  // "" none
  std::string log_file;      // "" none
};

const Settings& settings();

// For a test that asks for something senseless: says so and aborts, so that it cannot pass.
[[noreturn]] void senseless(const std::string& what);

}  // namespace fake_cuda
