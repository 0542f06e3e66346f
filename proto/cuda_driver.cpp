#include "proto/cuda_driver.h"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

#include "proto/dynamic_library.h"

namespace framering::proto {

namespace {

// Initialized drivers say so in one case alone.
Error forked(const char* call) {
  return Error{ErrorCode::kForked,
               std::string(call) + " failed: CUDA was in use before this process was forked",
               "use CUDA in a process that was started anew (multiprocessing: spawn)"};
}

struct Loaded {
  CudaDriver driver;
  Status status = Ok{};

  Loaded() {
    void* library = open_cuda_library();
    if (!library) {
      status = Error{ErrorCode::kMemoryUnavailable, "there is no CUDA driver here: " + library_error(),
                     "install the NVIDIA driver, or use host memory"};
      return;
    }
#define FRAMERING_CUDA_BIND(call) bind(library, driver.call);
    FRAMERING_CUDA_CALLS(FRAMERING_CUDA_BIND)
#undef FRAMERING_CUDA_BIND
    if (!status) return;
    const CUresult result = driver.cuInit.raw(0);
    if (result == CUDA_ERROR_NOT_INITIALIZED) {
      status = forked("cuInit");
    } else if (result != CUDA_SUCCESS) {
      status = Error{ErrorCode::kMemoryUnavailable, "the CUDA driver finds no usable device: " + text(result),
                     "see nvidia-smi, or use host memory"};
    }
  }

  template <class Call>
  void bind(void* library, Call& call) {
    void* symbol = find_symbol(library, call.name());
    if (!symbol && status) {
      status = Error{ErrorCode::kMemoryUnavailable,
                     "the CUDA driver" + version() + " is too old: it has no " + call.name(),
                     "install a driver of version 525 or newer, or use host memory"};
    }
    call.bind(symbol);
  }

  // Bound in alphabetical order, so what comes before a missing call may be asked.
  std::string version() const {
    int number = 0;
    if (!driver.cuDriverGetVersion.is_bound() || driver.cuDriverGetVersion.raw(&number) != CUDA_SUCCESS)
      return {};
    return " (for CUDA " + std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10) + ")";
  }

  std::string text(CUresult result) const {
    const char* name = nullptr;
    const char* sentence = nullptr;
    if (driver.cuGetErrorName.raw(result, &name) != CUDA_SUCCESS || !name) {
      return "CUDA error " + std::to_string(static_cast<int>(result));
    }
    if (driver.cuGetErrorString.raw(result, &sentence) != CUDA_SUCCESS || !sentence) return name;
    return std::string(name) + ", " + sentence;
  }
};

// Never unloaded: contexts and their threads outlive any order of destruction.
const Loaded& loaded() {
  static const Loaded* instance = new Loaded;
  return *instance;
}

Result<CudaDevice> describe(const CudaDriver& driver, int index) {
  CudaDevice device;
  device.index = index;
  CUuuid uuid;
  char name[128] = "";
  if (auto got = driver.cuDeviceGet(&device.handle, index); !got) return got.error();
  if (auto got = driver.cuDeviceGetUuid(&uuid, device.handle); !got) return got.error();
  if (auto got = driver.cuDeviceGetName(name, sizeof name, device.handle); !got) return got.error();
  static_assert(sizeof uuid.bytes == sizeof device.uuid);
  std::memcpy(device.uuid.data(), uuid.bytes, sizeof uuid.bytes);
  device.name = name;
  return device;
}

// The first device that `wanted` accepts.
template <class Wanted>
Result<CudaDevice> find_device(const CudaDriver& driver, const std::string& description, Wanted&& wanted) {
  int count = 0;
  if (auto got = driver.cuDeviceGetCount(&count); !got) return got.error();
  std::string there;
  for (int index = 0; index < count; ++index) {
    auto device = describe(driver, index);
    if (!device) return device.error();
    if (wanted(*device)) return device;
    there += (index == 0 ? "" : ", ") + std::to_string(index) + " = " + uuid_text(device->uuid) + " " +
             device->name;
  }
  return Error{
      ErrorCode::kMemoryUnavailable, "there is no CUDA device " + description + " here",
      count == 0 ? "the driver has no device: see nvidia-smi, or use host memory" : "there are: " + there};
}

}  // namespace

Result<const CudaDriver*> CudaDriver::load() {
  const Loaded& all = loaded();
  if (!all.status) return all.status.error();
  return &all.driver;
}

Error cuda_error(const char* call, CUresult result) {
  if (result == CUDA_ERROR_NOT_INITIALIZED) return forked(call);
  return Error{result == CUDA_ERROR_OUT_OF_MEMORY ? ErrorCode::kOutOfMemory : ErrorCode::kUnavailable,
               std::string(call) + " failed: " + loaded().text(result),
               {}};
}

std::string uuid_text(const CudaUuid& uuid) {
  std::string text = "GPU-";
  for (size_t i = 0; i < uuid.size(); ++i) {
    char byte[4];
    std::snprintf(byte, sizeof byte, "%02x", std::to_integer<unsigned>(uuid[i]));
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += byte;
  }
  return text;
}

std::string device_text(const CudaDevice& device) {
  return "GPU " + std::to_string(device.index) + " (" + device.name + ", " + uuid_text(device.uuid) + ")";
}

Error on_device(const Error& error, const CudaDevice& device) {
  return Error{error.code, device_text(device) + ": " + error.message, error.hint};
}

Result<CudaDevice> find_cuda_device(const CudaDriver& driver, const std::string& which) {
  int number = 0;
  const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), number);
  const bool by_number = error == std::errc() && end == which.data() + which.size();
  return find_device(driver, which.empty() ? "at all" : which, [&](const CudaDevice& device) {
    if (which.empty()) return true;
    return by_number ? device.index == number : uuid_text(device.uuid) == which;
  });
}

Result<CudaDevice> find_cuda_device(const CudaDriver& driver, const CudaUuid& uuid) {
  return find_device(driver, uuid_text(uuid), [&](const CudaDevice& device) { return device.uuid == uuid; });
}

Result<CudaContext> CudaContext::retain(const CudaDriver& driver, CUdevice device) {
  CUcontext context = nullptr;
  if (auto retained = driver.cuDevicePrimaryCtxRetain(&context, device); !retained) return retained.error();
  return CudaContext(driver, device, context);
}

CudaContext::CudaContext(CudaContext&& other) noexcept
    : driver_(other.driver_), device_(other.device_), context_(std::exchange(other.context_, nullptr)) {}

CudaContext::~CudaContext() {
  if (context_) driver_->cuDevicePrimaryCtxRelease.raw(device_);
}

}  // namespace framering::proto
