// Threads of the library's own.
#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace framering::internal {

// Takes no signals: they are for the application's threads, where one that interrupts a wait is how Ctrl-C
// gets through. In a forked child only the object exists: release() the pointer there.
std::unique_ptr<std::thread> start_helper_thread(std::function<void()> work);

}  // namespace framering::internal
