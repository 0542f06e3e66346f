// Prints the CUDA device that its argument names, as the programs find it, or the error that they would
// report.
#include <cstdio>
#include <exception>

#include "proto/cuda_driver.h"

using namespace framering::proto;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: print_cuda_devices DEVICE\n");
    return 2;
  }
  try {
    const auto driver = CudaDriver::load();
    const auto device = driver ? find_cuda_device(**driver, argv[1]) : Result<CudaDevice>(driver.error());
    if (!device) {
      std::printf("error %d: %s\n", static_cast<int>(device.error().code), device.error().text().c_str());
      return 1;
    }
    std::printf("%d %s %s\n", device->index, uuid_text(device->uuid).c_str(), device->name.c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
