// The driver's state in this process: devices, contexts, and which context is current in which thread.
#pragma once

#include <cuda.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/fake_cuda/faults.h"
#include "tests/fake_cuda/handle_table.h"
#include "tests/fake_cuda/kernels.h"
#include "tests/fake_cuda/stream.h"

namespace fake_cuda {

class Context;

struct Device {
  explicit Device(CUdevice number) : index(number) {}

  const CUdevice index;
  // What it was lost by: this process can use it no more, in no context, and no release helps.
  std::atomic<CUresult> error{CUDA_SUCCESS};
  Context* primary = nullptr;
  int retained = 0;
};

// Never freed, so that a stale handle of one is recognized. Any thread.
class Context {
 public:
  explicit Context(Device& device) : device_(device) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  CUdevice device() const { return device_.index; }
  CUcontext handle() { return reinterpret_cast<CUcontext>(this); }

  // What every call in it returns: CUDA_ERROR_CONTEXT_IS_DESTROYED, the error that the device was lost by, or
  // CUDA_SUCCESS. Queued work of a lost device is skipped.
  CUresult error() const;
  void lose(CUresult error) { device_.error = error; }

  std::shared_ptr<Stream> add_stream(bool blocking);
  std::shared_ptr<Stream> legacy_stream();
  std::shared_ptr<Stream> stream_of_this_thread();
  // Puts work into one of this context's streams, after the work that the legacy stream's rules ask for.
  Marker enqueue(const std::shared_ptr<Stream>& stream, std::function<void()> work);
  void synchronize();

  bool is_destroyed() const { return destroyed_; }
  // Waits for the work. The streams end.
  void destroy();
  // A primary context that is retained again is the same one, with nothing left of what it had.
  void revive() { destroyed_ = false; }

 private:
  Device& device_;
  std::atomic<bool> destroyed_{false};
  // Work enters the context's streams in one order, so no two pieces can wait for each other.
  std::mutex mutex_;
  std::shared_ptr<Stream> legacy_;
  std::vector<std::shared_ptr<Stream>> streams_;  // without the legacy one
};

class Event {
 public:
  explicit Event(Context& of) : context(of) {}

  Context& context;

  Marker get() const {
    std::lock_guard lock(mutex_);
    return recorded_;
  }
  void set(const Marker& marker) {
    std::lock_guard lock(mutex_);
    recorded_ = marker;
  }

 private:
  mutable std::mutex mutex_;
  Marker recorded_;
};

struct Module {
  Context& context;
};

struct Function {
  Context& context;
  CUmodule module;
  const Kernel& kernel;
};

// Of no context: a launch takes the stream's.
struct Library {};
struct LibraryKernel {
  const Kernel& kernel;
};

class Driver {
 public:
  static Driver& get();

  CUresult initialize();
  // In a child of the process that initialized it.
  bool is_forked() const;
  // CUDA_ERROR_NOT_INITIALIZED before cuInit, and in a child that was forked after it.
  CUresult check_initialized() const;

  int device_count() const;
  bool is_device(CUdevice device) const { return device >= 0 && device < device_count(); }

  CUresult retain_primary(CUdevice index, CUcontext* context);
  CUresult release_primary(CUdevice index);
  CUresult create_context(CUdevice index, Context** context);
  void destroy_context(Context& context);
  // Null for what was never a context.
  Context* find_context(CUcontext handle);

  HandleTable<CUstream, Stream> streams;
  HandleTable<CUevent, Event> events;
  HandleTable<CUmodule, Module> modules;
  HandleTable<CUfunction, Function> functions;
  HandleTable<CUlibrary, Library> libraries;
  HandleTable<CUkernel, LibraryKernel> kernels;

 private:
  std::mutex mutex_;
  std::atomic<pid_t> process_{0};  // that called cuInit
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::unique_ptr<Context>> contexts_;
};

// The contexts that this thread pushed; the last is current.
std::vector<Context*>& context_stack();
// Null where there is none.
Context* current_context();
CUresult choose_current(Context** context);

// The fault that is asked for in a call that needs the device, else CUDA_SUCCESS. One that sticks loses the
// device of the context.
CUresult begin_device_call(const char* name, Context* context);

// A call that asks the driver alone. Nothing of the driver is touched in a forked child: a lock may be held
// there by a thread that the child has not.
template <class Body>
CUresult driver_call(const char* name, Body&& body) {
  if (const CUresult result = Driver::get().check_initialized(); result != CUDA_SUCCESS) return result;
  if (const CUresult fault = begin_call(name, false); fault != CUDA_SUCCESS) return fault;
  return body();
}

// A call that needs a device, but no context.
template <class Body>
CUresult device_call(const char* name, Body&& body) {
  if (const CUresult result = Driver::get().check_initialized(); result != CUDA_SUCCESS) return result;
  if (const CUresult fault = begin_device_call(name, current_context()); fault != CUDA_SUCCESS) return fault;
  return body();
}

// A call in a context, which the body is given: `choose` sets it, or returns why there is none.
template <class Choose, class Body>
CUresult chosen_context_call(const char* name, Choose&& choose, Body&& body) {
  if (const CUresult result = Driver::get().check_initialized(); result != CUDA_SUCCESS) return result;
  Context* context = nullptr;
  const CUresult chosen = choose(&context);
  if (const CUresult fault = begin_device_call(name, context); fault != CUDA_SUCCESS) return fault;
  if (chosen != CUDA_SUCCESS) return chosen;
  if (const CUresult error = context->error(); error != CUDA_SUCCESS) return error;
  return body(*context);
}

// A call in the current context.
template <class Body>
CUresult context_call(const char* name, Body&& body) {
  return chosen_context_call(name, choose_current, body);
}

}  // namespace fake_cuda
