#include "tests/fake_cuda/driver.h"

#include <unistd.h>

#include <unordered_map>
#include <utility>

#include "tests/fake_cuda/memory.h"
#include "tests/fake_cuda/settings.h"

namespace fake_cuda {

namespace {

// The per-thread default streams of a thread, which end with it.
struct ThreadStreams {
  std::unordered_map<const Context*, std::shared_ptr<Stream>> of_context;

  ~ThreadStreams() {
    for (const auto& [context, stream] : of_context) stream->close();
  }
};

}  // namespace

CUresult Context::error() const {
  return destroyed_ ? CUDA_ERROR_CONTEXT_IS_DESTROYED : device_.error.load();
}

std::shared_ptr<Stream> Context::add_stream(bool blocking) {
  std::lock_guard lock(mutex_);
  std::erase_if(streams_, [](const auto& stream) { return stream->is_over(); });
  return streams_.emplace_back(std::make_shared<Stream>(*this, blocking));
}

std::shared_ptr<Stream> Context::legacy_stream() {
  std::lock_guard lock(mutex_);
  if (!legacy_) legacy_ = std::make_shared<Stream>(*this, true);
  return legacy_;
}

std::shared_ptr<Stream> Context::stream_of_this_thread() {
  thread_local ThreadStreams streams;
  auto& stream = streams.of_context[this];
  if (!stream || stream->is_closed()) stream = add_stream(true);
  return stream;
}

Marker Context::enqueue(const std::shared_ptr<Stream>& stream, std::function<void()> work) {
  std::lock_guard lock(mutex_);
  std::vector<Marker> before;
  if (stream == legacy_) {
    for (const auto& other : streams_) {
      if (other->is_blocking()) before.push_back({other, other->last()});
    }
  } else if (stream->is_blocking() && legacy_) {
    before.push_back({legacy_, legacy_->last()});
  }
  std::erase_if(before, [](const Marker& marker) { return marker.is_passed(); });
  const uint64_t number = stream->enqueue([this, before = std::move(before), work = std::move(work)] {
    for (const Marker& marker : before) marker.wait();
    if (device_.error == CUDA_SUCCESS) work();
  });
  return {stream, number};
}

void Context::synchronize() {
  std::vector<Marker> all;
  {
    std::lock_guard lock(mutex_);
    if (legacy_) all.push_back({legacy_, legacy_->last()});
    for (const auto& stream : streams_) all.push_back({stream, stream->last()});
  }
  for (const Marker& marker : all) marker.wait();
}

void Context::destroy() {
  destroyed_ = true;
  synchronize();
  std::lock_guard lock(mutex_);
  if (legacy_) legacy_->close();
  for (const auto& stream : streams_) stream->close();
  legacy_.reset();
  streams_.clear();
}

Driver& Driver::get() {
  static Driver* instance = new Driver;
  return *instance;
}

CUresult Driver::initialize() {
  if (settings().devices.empty()) return CUDA_ERROR_NO_DEVICE;
  std::lock_guard lock(mutex_);
  for (int device = static_cast<int>(devices_.size()); device < device_count(); ++device)
    devices_.push_back(std::make_unique<Device>(device));
  process_ = getpid();
  return CUDA_SUCCESS;
}

bool Driver::is_forked() const {
  return process_ != 0 && process_ != getpid();
}

CUresult Driver::check_initialized() const {
  return process_ == getpid() ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

int Driver::device_count() const {
  return static_cast<int>(settings().devices.size());
}

CUresult Driver::retain_primary(CUdevice index, CUcontext* context) {
  std::lock_guard lock(mutex_);
  Device& device = *devices_[static_cast<size_t>(index)];
  if (device.retained == 0 && device.error != CUDA_SUCCESS) return device.error;
  if (!device.primary) device.primary = contexts_.emplace_back(std::make_unique<Context>(device)).get();
  if (device.retained++ == 0) device.primary->revive();
  *context = device.primary->handle();
  return CUDA_SUCCESS;
}

CUresult Driver::release_primary(CUdevice index) {
  Device& device = *devices_[static_cast<size_t>(index)];
  {
    std::lock_guard lock(mutex_);
    if (device.retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--device.retained > 0) return CUDA_SUCCESS;
  }
  destroy_context(*device.primary);
  return CUDA_SUCCESS;
}

CUresult Driver::create_context(CUdevice index, Context** context) {
  std::lock_guard lock(mutex_);
  Device& device = *devices_[static_cast<size_t>(index)];
  if (device.error != CUDA_SUCCESS) return device.error;
  *context = contexts_.emplace_back(std::make_unique<Context>(device)).get();
  return CUDA_SUCCESS;
}

void Driver::destroy_context(Context& context) {
  context.destroy();
  const auto is_of_it = [&](const auto& object) { return &object.context == &context; };
  streams.remove_if([&](const Stream& stream) { return &stream.context() == &context; });
  events.remove_if(is_of_it);
  functions.remove_if(is_of_it);
  modules.remove_if(is_of_it);
  Memory::get().forget(context);
}

Context* Driver::find_context(CUcontext handle) {
  std::lock_guard lock(mutex_);
  for (const auto& context : contexts_) {
    if (context->handle() == handle) return context.get();
  }
  return nullptr;
}

std::vector<Context*>& context_stack() {
  thread_local std::vector<Context*> stack;
  return stack;
}

Context* current_context() {
  return context_stack().empty() ? nullptr : context_stack().back();
}

CUresult choose_current(Context** context) {
  *context = current_context();
  return *context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult begin_device_call(const char* name, Context* context) {
  const CUresult fault = begin_call(name, true);
  if (context && is_sticky(fault)) context->lose(fault);
  return fault;
}

}  // namespace fake_cuda
