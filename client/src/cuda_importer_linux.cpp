#include <cstring>
#include <optional>
#include <utility>

#include "client/src/importer.h"
#include "client/src/process_mark.h"
#include "client/src/stream_release.h"
#include "proto/cuda_driver.h"
#include "proto/cuda_vmm.h"

namespace framering::internal {

using proto::CudaContext;
using proto::CudaCurrent;
using proto::CudaDevice;
using proto::CudaDriver;
using proto::CudaOwned;
using proto::CudaUuid;
using proto::CudaVmmMapping;
using proto::Error;
using proto::ErrorCode;
using proto::MemoryKind;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

// The calling thread's context, if it has one on this device.
CUcontext current_context(const CudaDriver& driver, const CudaDevice& device) {
  CUcontext context = nullptr;
  CUdevice its_device = 0;
  const bool is_there = driver.cuCtxGetCurrent.raw(&context) == CUDA_SUCCESS && context &&
                        driver.cuCtxGetDevice.raw(&its_device) == CUDA_SUCCESS;
  return is_there && its_device == device.handle ? context : nullptr;
}

class CudaMark final : public StreamMark {
 public:
  CudaMark(const CudaDriver& driver, CUcontext context, CudaOwned<CUevent> event)
      : driver_(driver), context_(context), event_(std::move(event)) {}
  ~CudaMark() override {
    const CudaCurrent current(driver_, context_);
    event_ = {};
  }
  CUevent event() const { return event_.get(); }

 private:
  const CudaDriver& driver_;
  const CUcontext context_;
  CudaOwned<CUevent> event_;
};

// What this process has of the device for one region; it goes all at once.
class CudaMapping {
 public:
  CudaMapping(const CudaDriver& driver, CudaDevice device) : driver_(driver), device_(std::move(device)) {}
  ~CudaMapping();
  CudaMapping(const CudaMapping&) = delete;
  CudaMapping& operator=(const CudaMapping&) = delete;

  Status map(const PixelHandle& pixels, proto::LeasePage& lease_page, bool writable);

  CUdeviceptr address() const { return vmm_ ? vmm_->address() : ipc_.get(); }
  const CudaDevice& device() const { return device_; }
  Status copy_to_host(uint64_t offset, uint64_t bytes, std::byte* to) const;
  Result<std::shared_ptr<std::byte>> copy_on_device(uint64_t offset, uint64_t bytes, CUstream stream) const;
  Result<std::unique_ptr<StreamMark>> mark(CUstream stream) const;
  Status release_after(std::optional<void*> stream, StreamMarks marks, std::atomic<uint64_t>& lease);
  bool is_lost() const;

 private:
  // The one that the default streams are those of.
  CUcontext callers_context() const;
  Status enter_context();
  Status map_descriptor(const PixelHandle& pixels, bool writable);
  Status map_ipc(const PixelHandle& pixels);

  const CudaDriver& driver_;
  const CudaDevice device_;
  std::optional<CudaContext> primary_;
  CUcontext context_ = nullptr;  // the primary one, or the caller's
  CudaOwned<CUstream> stream_;   // our own work
  std::optional<CudaVmmMapping> vmm_;
  CudaOwned<CUdeviceptr> ipc_;
  std::unique_ptr<StreamRelease> release_;
};

CudaMapping::~CudaMapping() {
  if (!context_) return;
  const CudaCurrent current(driver_, context_);
  // Whoever reads these pixels, and whoever clears a lease word, is done then.
  driver_.cuCtxSynchronize.raw();
  release_.reset();
  stream_ = {};
  vmm_.reset();
  ipc_ = {};
}

Status CudaMapping::map(const PixelHandle& pixels, proto::LeasePage& lease_page, bool writable) {
  if (auto entered = enter_context(); !entered) return entered;
  const CudaCurrent current(driver_, context_);
  CUstream stream = nullptr;
  if (auto created = driver_.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING); !created) return created;
  stream_ = {driver_.cuStreamDestroy, stream};
  Status mapped = pixels.kind == MemoryKind::kCuda ? map_descriptor(pixels, writable) : map_ipc(pixels);
  if (!mapped) return mapped;
  release_ = StreamRelease::create(driver_, context_, device_.handle, stream, lease_page);
  return Ok{};
}

// A context that is there already costs neither time nor memory.
Status CudaMapping::enter_context() {
  context_ = current_context(driver_, device_);
  if (context_) return Ok{};
  auto primary = CudaContext::retain(driver_, device_.handle);
  if (!primary) return primary.error();
  primary_.emplace(*std::move(primary));
  context_ = primary_->get();
  return Ok{};
}

Status CudaMapping::map_descriptor(const PixelHandle& pixels, bool writable) {
  const auto bytes = proto::cuda_vmm_bytes(driver_, device_.handle, pixels.region_bytes);
  if (!bytes) return bytes.error();
  CUmemGenericAllocationHandle imported = 0;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): so the driver takes a descriptor
  void* const descriptor = reinterpret_cast<void*>(static_cast<intptr_t>(pixels.fd.get()));
  if (auto done = driver_.cuMemImportFromShareableHandle(&imported, descriptor,
                                                         CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
      !done) {
    return done;
  }
  const CudaOwned<CUmemGenericAllocationHandle> memory(driver_.cuMemRelease,
                                                       imported);  // the mapping keeps it
  auto mapping =
      CudaVmmMapping::map(driver_, device_.handle, imported, *bytes,
                          writable ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_READ);
  if (!mapping) return mapping.error();
  vmm_.emplace(*std::move(mapping));
  return Ok{};
}

Status CudaMapping::map_ipc(const PixelHandle& pixels) {
  CUipcMemHandle handle;
  static_assert(sizeof handle == proto::kCudaIpcHandleBytes);
  std::memcpy(&handle, pixels.handle.data(), sizeof handle);
  CUdeviceptr address = 0;
  if (auto opened = driver_.cuIpcOpenMemHandle(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
      !opened) {
    return opened;
  }
  ipc_ = {driver_.cuIpcCloseMemHandle, address};
  CUdeviceptr begin = 0;
  size_t bytes = 0;
  if (auto got = driver_.cuPointerGetAttribute(&begin, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, address);
      !got) {
    return got;
  }
  if (auto got = driver_.cuPointerGetAttribute(&bytes, CU_POINTER_ATTRIBUTE_RANGE_SIZE, address); !got)
    return got;
  if (begin + bytes >= address + pixels.region_bytes) return Ok{};
  return Error{ErrorCode::kProtocol, "the daemon sent a pixel region that is smaller than it said", {}};
}

Status CudaMapping::copy_to_host(uint64_t offset, uint64_t bytes, std::byte* to) const {
  const CudaCurrent current(driver_, context_);
  if (auto begun = driver_.cuMemcpyDtoHAsync(to, address() + offset, bytes, stream_.get()); !begun) {
    return begun;
  }
  return driver_.cuStreamSynchronize(stream_.get());
}

CUcontext CudaMapping::callers_context() const {
  const CUcontext callers = current_context(driver_, device_);
  return callers ? callers : context_;
}

Result<std::shared_ptr<std::byte>> CudaMapping::copy_on_device(uint64_t offset, uint64_t bytes,
                                                               CUstream stream) const {
  const CUcontext context = callers_context();
  const CudaCurrent current(driver_, context);
  CUdeviceptr copy = 0;
  if (auto allocated = driver_.cuMemAlloc(&copy, bytes); !allocated) return allocated.error();
  // Freeing waits for the work that still reads the copy.
  std::shared_ptr<std::byte> owned(reinterpret_cast<std::byte*>(copy),
                                   [&driver = driver_, context, copy](std::byte*) {
                                     const CudaCurrent of_copy(driver, context);
                                     driver.cuMemFree.raw(copy);
                                   });
  if (auto begun = driver_.cuMemcpyDtoDAsync(copy, address() + offset, bytes, stream); !begun) {
    return begun.error();
  }
  return owned;
}

Result<std::unique_ptr<StreamMark>> CudaMapping::mark(CUstream stream) const {
  const CUcontext context = callers_context();
  const CudaCurrent current(driver_, context);
  if (auto checked = check_not_captured(driver_, stream); !checked) return checked.error();
  CUevent event = nullptr;
  if (auto created = driver_.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING); !created) return created.error();
  CudaOwned<CUevent> owned(driver_.cuEventDestroy, event);
  if (auto recorded = driver_.cuEventRecord(event, stream); !recorded) return recorded.error();
  return std::unique_ptr<StreamMark>(std::make_unique<CudaMark>(driver_, context, std::move(owned)));
}

Status CudaMapping::release_after(std::optional<void*> stream, StreamMarks marks,
                                  std::atomic<uint64_t>& lease) {
  const CudaCurrent current(driver_, callers_context());
  const CUstream last = stream ? static_cast<CUstream>(*stream) : stream_.get();
  if (auto checked = check_not_captured(driver_, last); !checked) return checked;
  for (const auto& mark : marks) {
    const CUevent event = static_cast<const CudaMark&>(*mark).event();
    if (auto begun = driver_.cuStreamWaitEvent(last, event, 0); !begun) return begun;
  }
  return release_->release_after(last, lease);
}

bool CudaMapping::is_lost() const {
  const CudaCurrent current(driver_, context_);
  const CUresult result = driver_.cuStreamQuery.raw(stream_.get());
  // Another thread's capture into a graph may forbid the question.
  const bool is_of_capture =
      result >= CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED && result <= CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  return result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY && !is_of_capture;
}

class CudaRegion final : public PixelRegion {
 public:
  explicit CudaRegion(std::unique_ptr<CudaMapping> mapping) : mapping_(std::move(mapping)) {}
  ~CudaRegion() override {
    if (process_mark() == process_) return;
    // A forked child has neither the context nor the threads.
    [[maybe_unused]] CudaMapping* const parents = mapping_.release();
  }

  uint64_t device_pointer() const override { return mapping_->address(); }
  int device() const override { return mapping_->device().index; }
  Status copy_to_host(uint64_t offset, uint64_t bytes, std::byte* to) const override {
    return named(mapping_->copy_to_host(offset, bytes, to));
  }
  Result<std::shared_ptr<std::byte>> copy_on_device(uint64_t offset, uint64_t bytes,
                                                    void* stream) const override {
    return named(mapping_->copy_on_device(offset, bytes, static_cast<CUstream>(stream)));
  }
  Result<std::unique_ptr<StreamMark>> mark(void* stream) const override {
    return named(mapping_->mark(static_cast<CUstream>(stream)));
  }
  Status release_after(std::optional<void*> stream, StreamMarks marks,
                       std::atomic<uint64_t>& lease) override {
    return named(mapping_->release_after(stream, marks, lease));
  }
  bool is_lost() const override { return mapping_->is_lost(); }

 private:
  template <class T>
  Result<T> named(Result<T> result) const {
    if (!result) return on_device(result.error(), mapping_->device());
    return result;
  }

  const uint64_t process_ = process_mark();
  std::unique_ptr<CudaMapping> mapping_;
};

std::string where(const CudaUuid& uuid) {
  return "the stream is in the memory of " + proto::uuid_text(uuid);
}

// The stream's device, which must be one that this process sees and the one that the caller wants.
Result<CudaDevice> find_device_of(const CudaDriver& driver, const CudaUuid& uuid, const std::string& wanted) {
  auto device = find_cuda_device(driver, uuid);
  if (!device) {
    if (device.error().code != ErrorCode::kMemoryUnavailable) return device.error();
    return Error{ErrorCode::kMemoryUnavailable,
                 where(uuid) + ", which this process does not see; " + device.error().hint,
                 "CUDA_VISIBLE_DEVICES usually hides it: let it name this device"};
  }
  if (wanted.empty()) return device;
  const auto callers = find_cuda_device(driver, wanted);
  if (!callers) return callers.error();
  if (callers->uuid == device->uuid) return device;
  return Error{
      ErrorCode::kMemoryUnavailable, where(uuid) + ", not of " + device_text(*callers),
      "open it without a device, or start frameringd with --memory cuda:" + proto::uuid_text(callers->uuid)};
}

}  // namespace

Result<std::unique_ptr<PixelRegion>> import_cuda_pixels(const PixelHandle& pixels,
                                                        proto::LeasePage& lease_page,
                                                        const ImportOptions& options) {
  const CudaUuid uuid = pixels.device_uuid.value_or(CudaUuid{});
  const auto driver = CudaDriver::load();
  if (!driver) {
    const Error& error = driver.error();
    return Error{error.code, where(uuid) + ", but " + error.message, error.hint};
  }
  auto device = find_device_of(**driver, uuid, options.device);
  if (!device) return device.error();
  auto mapping = std::make_unique<CudaMapping>(**driver, *device);
  if (auto mapped = mapping->map(pixels, lease_page, options.writable); !mapped) {
    return on_device(mapped.error(), *device);
  }
  return std::unique_ptr<PixelRegion>(std::make_unique<CudaRegion>(std::move(mapping)));
}

}  // namespace framering::internal
