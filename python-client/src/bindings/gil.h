// Calls that may wait let other Python threads run.
#pragma once

#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

namespace framering::python {

// Gives the GIL up while it lives.
class GilReleased {
 public:
  GilReleased() : thread_(PyEval_SaveThread()) {}
  ~GilReleased() { take_back(); }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

  // For framering's on_signal. False if a handler raised, as Ctrl-C does; the exception is then set.
  bool run_signal_handlers() {
    take_back();
    const bool go_on = PyErr_CheckSignals() == 0;
    thread_ = PyEval_SaveThread();
    return go_on;
  }

 private:
  // Before 3.14 a finalizing interpreter unwinds daemon threads that ask for the GIL, which C++ frames cannot
  // survive. Such a thread stays here until the process ends, as it does since 3.14.
  void take_back() {
    try {
      PyEval_RestoreThread(thread_);
    } catch (abi::__forced_unwind&) {
      for (;;) pause();
    }
  }

  PyThreadState* thread_;
};

}  // namespace framering::python
