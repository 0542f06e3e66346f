#include <pthread.h>
#include <signal.h>

#include <utility>

#include "client/src/helper_thread.h"

namespace framering::internal {

std::unique_ptr<std::thread> start_helper_thread(std::function<void()> work) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  auto thread = std::make_unique<std::thread>([work = std::move(work)] {
    pthread_setname_np(pthread_self(), "framering");
    work();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace framering::internal
