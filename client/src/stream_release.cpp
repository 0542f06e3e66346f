#include "client/src/stream_release.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "client/src/helper_thread.h"

namespace framering::internal {

using proto::CudaCurrent;
using proto::CudaDriver;
using proto::CudaOwned;
using proto::FrameRef;
using proto::Status;

namespace {

// The lease page, registered, as the device sees it.
class DeviceRelease final : public StreamRelease {
 public:
  DeviceRelease(const CudaDriver& driver, proto::LeasePage& page, CudaOwned<void*> registration,
                CUdeviceptr page_on_device)
      : driver_(driver),
        page_(page),
        registration_(std::move(registration)),
        page_on_device_(page_on_device) {}

  static std::unique_ptr<DeviceRelease> create(const CudaDriver& driver, CUdevice device,
                                               proto::LeasePage& page);
  bool works(CUstream stream);
  Status release_after(CUstream stream, std::atomic<uint64_t>& lease) override;

 private:
  const CudaDriver& driver_;
  proto::LeasePage& page_;
  CudaOwned<void*> registration_;
  const CUdeviceptr page_on_device_;
};

std::unique_ptr<DeviceRelease> DeviceRelease::create(const CudaDriver& driver, CUdevice device,
                                                     proto::LeasePage& page) {
  int supported = 0;
  if (!driver.cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS, device) ||
      !supported) {
    return nullptr;
  }
  // Portable: the caller's stream may be of another context than the one that is current now.
  constexpr unsigned kFlags = CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_PORTABLE;
  if (!driver.cuMemHostRegister(&page, proto::kLeaseBytes, kFlags)) return nullptr;
  CudaOwned<void*> registration(driver.cuMemHostUnregister, &page);
  CUdeviceptr page_on_device = 0;
  if (!driver.cuMemHostGetDevicePointer(&page_on_device, &page, 0)) return nullptr;
  return std::make_unique<DeviceRelease>(driver, page, std::move(registration), page_on_device);
}

// What a driver says that it supports and what reaches the page are two things.
bool DeviceRelease::works(CUstream stream) {
  std::atomic<uint64_t>& word = page_.leases[0];
  word.store(FrameRef{proto::kMaxSequence, 0}.pack());  // a claim to a frame that no ring holds
  const bool done = release_after(stream, word) && driver_.cuStreamSynchronize(stream);
  return word.exchange(0) == 0 && done;
}

Status DeviceRelease::release_after(CUstream stream, std::atomic<uint64_t>& lease) {
  const auto offset = reinterpret_cast<std::byte*>(&lease) - reinterpret_cast<std::byte*>(&page_);
  return driver_.cuStreamWriteValue64(stream, page_on_device_ + static_cast<uint64_t>(offset), 0,
                                      CU_STREAM_WRITE_VALUE_DEFAULT);
}

class EventRelease final : public StreamRelease {
 public:
  EventRelease(const CudaDriver& driver, CUcontext context)
      : driver_(driver), context_(context), thread_(start_helper_thread([this] { run(); })) {}
  ~EventRelease() override;

  Status release_after(CUstream stream, std::atomic<uint64_t>& lease) override;

 private:
  struct Pending {
    CudaOwned<CUevent> event;
    std::atomic<uint64_t>* lease;
  };

  void run();
  // The oldest, or nothing when it is time to end and none is left.
  std::optional<Pending> next();

  const CudaDriver& driver_;
  const CUcontext context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Pending> pending_;
  bool ending_ = false;
  const std::unique_ptr<std::thread> thread_;
};

EventRelease::~EventRelease() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_->join();
}

Status EventRelease::release_after(CUstream stream, std::atomic<uint64_t>& lease) {
  CUevent event = nullptr;
  if (auto created = driver_.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC);
      !created) {
    return created;
  }
  CudaOwned<CUevent> owned(driver_.cuEventDestroy, event);
  if (auto recorded = driver_.cuEventRecord(event, stream); !recorded) return recorded;
  {
    const std::lock_guard lock(mutex_);
    pending_.push_back({std::move(owned), &lease});
  }
  changed_.notify_one();
  return proto::Ok{};
}

std::optional<EventRelease::Pending> EventRelease::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ending_ || !pending_.empty(); });
  if (pending_.empty()) return std::nullopt;
  Pending oldest = std::move(pending_.front());
  pending_.pop_front();
  return oldest;
}

void EventRelease::run() {
  const CudaCurrent current(driver_, context_);
  while (const auto pending = next()) {
    // Where this fails the context is lost, and nothing reads the frame any more.
    driver_.cuEventSynchronize.raw(pending->event.get());
    pending->lease->store(0, std::memory_order_release);
  }
}

}  // namespace

Status check_not_captured(const CudaDriver& driver, CUstream stream) {
  // The legacy stream cannot be captured, and to ask about it means to ask about all others.
  if (stream == nullptr || stream == CU_STREAM_LEGACY) return proto::Ok{};
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  if (auto asked = driver.cuStreamIsCapturing(stream, &status); !asked) return asked;
  if (status == CU_STREAM_CAPTURE_STATUS_NONE) return proto::Ok{};
  return proto::Error{proto::ErrorCode::kInvalidArgument, "this stream is being captured into a graph",
                      "hold the frame while the graph is replayed, then release it by a stream that is not"};
}

std::unique_ptr<StreamRelease> StreamRelease::create(const CudaDriver& driver, CUcontext context,
                                                     CUdevice device, CUstream stream,
                                                     proto::LeasePage& page) {
  auto by_device = DeviceRelease::create(driver, device, page);
  if (by_device && by_device->works(stream)) return by_device;
  return std::make_unique<EventRelease>(driver, context);
}

}  // namespace framering::internal
