// libcuda's calls: streams, events, modules, and the work that streams do.
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tests/fake_cuda/driver.h"
#include "tests/fake_cuda/memory.h"
#include "tests/fake_cuda/settings.h"

namespace fake_cuda {

namespace {

// In the thread of a stream: the work takes as long as the tests ask for.
void take_time() {
  if (settings().delay.count() > 0) std::this_thread::sleep_for(settings().delay);
}

// A call on a stream: in its context, whatever is current. The default streams are of the current one.
template <class Body>
CUresult stream_call(const char* name, CUstream handle, Body&& body) {
  const bool is_default = handle == nullptr || handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD;
  std::shared_ptr<Stream> stream;
  const auto choose = [&](Context** context) {
    if (is_default) return choose_current(context);
    stream = Driver::get().streams.find(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    *context = &stream->context();
    return CUDA_SUCCESS;
  };
  return chosen_context_call(name, choose, [&](Context& context) {
    if (!is_default) return body(stream);
    return body(handle == CU_STREAM_PER_THREAD ? context.stream_of_this_thread() : context.legacy_stream());
  });
}

// A call on something else that belongs to a context: an event, a module.
template <class Handle, class Object, class Body>
CUresult object_call(const char* name, const HandleTable<Handle, Object>& table, Handle handle, Body&& body) {
  std::shared_ptr<Object> object;
  const auto choose = [&](Context** context) {
    object = table.find(handle);
    if (!object) return CUDA_ERROR_INVALID_HANDLE;
    *context = &object->context;
    return CUDA_SUCCESS;
  };
  return chosen_context_call(name, choose, [&](Context&) { return body(*object); });
}

// As the driver does it: with pageable host memory, the caller may change it when the call returns.
CUresult copy(const std::shared_ptr<Stream>& stream, void* target, const void* source, size_t bytes,
              const void* host) {
  const bool is_pinned = Memory::get().allows(reinterpret_cast<CUdeviceptr>(host), bytes, Access::kRead);
  const Marker marker = stream->context().enqueue(stream, [=] {
    take_time();
    std::memcpy(target, source, bytes);
  });
  if (!is_pinned) marker.wait();
  return stream->context().error();
}

bool is_launchable(Size3 grid, Size3 block) {
  const auto threads = static_cast<uint64_t>(block.x) * block.y * block.z;
  return grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.x <= 0x7fffffff && grid.y <= 65535 &&
         grid.z <= 65535 && threads > 0 && threads <= 1024 && block.z <= 64;
}

}  // namespace

extern "C" {

CUresult cuStreamCreate(CUstream* stream, unsigned int flags) {
  return context_call(__func__, [&](Context& context) {
    if (!stream || (flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING))) return CUDA_ERROR_INVALID_VALUE;
    *stream = Driver::get().streams.add(context.add_stream(flags == CU_STREAM_DEFAULT));
    return CUDA_SUCCESS;
  });
}

// Returns at once; the work that is queued is done all the same.
CUresult cuStreamDestroy(CUstream handle) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>& stream) {
    if (!Driver::get().streams.remove(handle)) return CUDA_ERROR_INVALID_HANDLE;
    stream->close();
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamQuery(CUstream handle) {
  return stream_call(__func__, handle, [](const std::shared_ptr<Stream>& stream) {
    if (!stream->is_done(stream->last())) return CUDA_ERROR_NOT_READY;
    return stream->context().error();
  });
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>&) {
    if (!status) return CUDA_ERROR_INVALID_VALUE;
    const bool is_default = !handle || handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD;
    *status =
        settings().capturing && !is_default ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamSynchronize(CUstream handle) {
  return stream_call(__func__, handle, [](const std::shared_ptr<Stream>& stream) {
    stream->wait(stream->last());
    return stream->context().error();
  });
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned int flags) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>& stream) {
    if (flags != CU_EVENT_WAIT_DEFAULT) return CUDA_ERROR_INVALID_VALUE;
    const auto event = Driver::get().events.find(event_handle);
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    const Marker recorded = event->get();
    if (!recorded.is_passed()) stream->context().enqueue(stream, [recorded] { recorded.wait(); });
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamWriteValue64(CUstream handle, CUdeviceptr address, cuuint64_t value, unsigned int flags) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>& stream) {
    if (!settings().stream_memory_operations) return CUDA_ERROR_NOT_SUPPORTED;
    if (flags & ~static_cast<unsigned>(CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER))
      return CUDA_ERROR_INVALID_VALUE;
    if (address % sizeof value != 0 || !Memory::get().allows(address, sizeof value, Access::kRead))
      return CUDA_ERROR_INVALID_VALUE;
    const bool is_writable = Memory::get().allows(address, sizeof value, Access::kReadWrite);
    Context& context = stream->context();
    context.enqueue(stream, [=, &context] {
      // The driver finds out when it writes.
      if (!is_writable) return context.lose(CUDA_ERROR_LAUNCH_FAILED);
      std::atomic_ref(*reinterpret_cast<cuuint64_t*>(address)).store(value);
    });
    return CUDA_SUCCESS;
  });
}

CUresult cuEventCreate(CUevent* event, unsigned int flags) {
  return context_call(__func__, [&](Context& context) {
    constexpr unsigned kKnown = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING;
    if (!event || (flags & ~kKnown)) return CUDA_ERROR_INVALID_VALUE;
    *event = Driver::get().events.add(std::make_shared<Event>(context));
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy(CUevent handle) {
  return object_call(__func__, Driver::get().events, handle, [&](const Event&) {
    Driver::get().events.remove(handle);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventRecord(CUevent event_handle, CUstream handle) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>& stream) {
    const auto event = Driver::get().events.find(event_handle);
    if (!event || &event->context != &stream->context()) return CUDA_ERROR_INVALID_HANDLE;
    event->set(stream->context().enqueue(stream, [] {}));
    return CUDA_SUCCESS;
  });
}

CUresult cuEventSynchronize(CUevent handle) {
  return object_call(__func__, Driver::get().events, handle, [](const Event& event) {
    event.get().wait();
    return event.context.error();
  });
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr target, const void* source, size_t bytes, CUstream handle) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>& stream) {
    if (bytes == 0) return CUDA_SUCCESS;
    if (!source || !Memory::get().allows(target, bytes, Access::kReadWrite)) return CUDA_ERROR_INVALID_VALUE;
    return copy(stream, reinterpret_cast<void*>(target), source, bytes, source);
  });
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream handle) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>& stream) {
    if (bytes == 0) return CUDA_SUCCESS;
    if (!Memory::get().allows(source, bytes, Access::kRead) ||
        !Memory::get().allows(target, bytes, Access::kReadWrite)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    // Between two places of device memory nothing waits, as with memory that the driver knows.
    return copy(stream, reinterpret_cast<void*>(target), reinterpret_cast<const void*>(source), bytes,
                reinterpret_cast<void*>(target));
  });
}

CUresult cuMemcpyDtoHAsync(void* target, CUdeviceptr source, size_t bytes, CUstream handle) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>& stream) {
    if (bytes == 0) return CUDA_SUCCESS;
    if (!target || !Memory::get().allows(source, bytes, Access::kRead)) return CUDA_ERROR_INVALID_VALUE;
    return copy(stream, target, reinterpret_cast<const void*>(source), bytes, target);
  });
}

CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t bytes, CUstream handle) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>& stream) {
    if (bytes == 0) return CUDA_SUCCESS;
    if (!Memory::get().allows(target, bytes, Access::kReadWrite)) return CUDA_ERROR_INVALID_VALUE;
    stream->context().enqueue(stream, [=] {
      take_time();
      std::memset(reinterpret_cast<void*>(target), value, bytes);
    });
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  return context_call(__func__, [&](Context& context) {
    if (!module || !image) return CUDA_ERROR_INVALID_VALUE;
    *module = Driver::get().modules.add(std::make_shared<Module>(Module{context}));
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleUnload(CUmodule handle) {
  return object_call(__func__, Driver::get().modules, handle, [&](const Module&) {
    Driver::get().modules.remove(handle);
    Driver::get().functions.remove_if([&](const Function& function) { return function.module == handle; });
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule handle, const char* name) {
  return object_call(__func__, Driver::get().modules, handle, [&](const Module& module) {
    if (!function || !name) return CUDA_ERROR_INVALID_VALUE;
    const Kernel* kernel = find_kernel(name);
    if (!kernel) return CUDA_ERROR_NOT_FOUND;
    *function =
        Driver::get().functions.add(std::make_shared<Function>(Function{module.context, handle, *kernel}));
    return CUDA_SUCCESS;
  });
}

CUresult cuLibraryLoadData(CUlibrary* library, const void* code, CUjit_option*, void**, unsigned int,
                           CUlibraryOption*, void**, unsigned int) {
  return driver_call(__func__, [&] {
    if (!library || !code) return CUDA_ERROR_INVALID_VALUE;
    *library = Driver::get().libraries.add(std::make_shared<Library>());
    return CUDA_SUCCESS;
  });
}

CUresult cuLibraryGetKernel(CUkernel* kernel, CUlibrary library, const char* name) {
  return driver_call(__func__, [&] {
    if (!kernel || !name) return CUDA_ERROR_INVALID_VALUE;
    if (!Driver::get().libraries.find(library)) return CUDA_ERROR_INVALID_HANDLE;
    const Kernel* found = find_kernel(name);
    if (!found) return CUDA_ERROR_NOT_FOUND;
    *kernel = Driver::get().kernels.add(std::make_shared<LibraryKernel>(LibraryKernel{*found}));
    return CUDA_SUCCESS;
  });
}

CUresult cuLaunchKernel(CUfunction function_handle, unsigned int grid_x, unsigned int grid_y,
                        unsigned int grid_z, unsigned int block_x, unsigned int block_y, unsigned int block_z,
                        unsigned int, CUstream handle, void** parameters, void** extra) {
  return stream_call(__func__, handle, [&](const std::shared_ptr<Stream>& stream) {
    const auto function = Driver::get().functions.find(function_handle);
    const auto of_library = Driver::get().kernels.find(reinterpret_cast<CUkernel>(function_handle));
    if (!of_library && (!function || &function->context != &stream->context()))
      return CUDA_ERROR_INVALID_HANDLE;
    const Size3 grid{grid_x, grid_y, grid_z};
    const Size3 block{block_x, block_y, block_z};
    if (!is_launchable(grid, block) || !parameters || !parameters[0] || extra)
      return CUDA_ERROR_INVALID_VALUE;
    const Kernel& kernel = of_library ? of_library->kernel : function->kernel;
    record(std::string("kernel ") + kernel.name);
    const auto* bytes = static_cast<const std::byte*>(parameters[0]);
    std::vector<std::byte> arguments(bytes, bytes + kernel.argument_bytes);
    stream->context().enqueue(stream, [&kernel, arguments = std::move(arguments), grid, block] {
      take_time();
      kernel.run(arguments.data(), grid, block);
    });
    return CUDA_SUCCESS;
  });
}

}  // extern "C"

}  // namespace fake_cuda
