#include "client/cli/interrupt.h"

#include <signal.h>

#include <atomic>

namespace framering::cli {

namespace {

std::atomic<bool> noted{false};

void on_interrupt(int) {
  noted = true;
}

}  // namespace

void end_on_interrupt() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() {
  return noted;
}

}  // namespace framering::cli
