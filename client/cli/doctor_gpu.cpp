#include <string>

#include "client/cli/doctor.h"
#include "proto/cuda_driver.h"

namespace framering::cli {

namespace {

bool has(const proto::CudaDriver& driver, CUdevice device, CUdevice_attribute attribute) {
  int value = 0;
  return bool(driver.cuDeviceGetAttribute(&value, attribute, device)) && value != 0;
}

Check check_device(const proto::CudaDriver& driver, int index) {
  Check check{.name = "gpu"};
  const auto device = proto::find_cuda_device(driver, std::to_string(index));
  if (!device) {
    check.verdict = Verdict::kBroken;
    check.found = device.error().message;
    check.fix = device.error().hint.empty() ? "nvidia-smi may say more" : device.error().hint;
    return check;
  }
  check.found = proto::device_text(*device);
  if (has(driver, device->handle, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED) &&
      has(driver, device->handle, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED)) {
    check.found += ", shares memory by descriptor (VMM)";
  } else {
    check.verdict = Verdict::kWarning;
    check.found += ", cannot share memory by descriptor (VMM)";
    check.fix = "memory = \"cuda-ipc\" in framering.toml";
  }
  return check;
}

}  // namespace

std::vector<Check> check_gpu() {
  const auto driver = proto::CudaDriver::load();
  if (!driver)
    return {{.name = "gpu", .found = "none: frames are in host memory (" + driver.error().message + ")"}};
  int version = 0, count = 0;
  std::vector<Check> checks;
  if ((*driver)->cuDriverGetVersion(&version)) {
    checks.push_back(
        {.name = "gpu driver",
         .found = "CUDA " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10)});
  }
  if ((*driver)->cuDeviceGetCount(&count)) {
    for (int i = 0; i < count; ++i) checks.push_back(check_device(**driver, i));
  }
  return checks;
}

}  // namespace framering::cli
