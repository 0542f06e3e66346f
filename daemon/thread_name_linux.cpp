#include <pthread.h>

#include "daemon/thread_name.h"

namespace framering::daemon {

void name_this_thread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace framering::daemon
