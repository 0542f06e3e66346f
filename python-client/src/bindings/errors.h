// Errors of the C++ client as Python exceptions.
#pragma once

#include "framering/error.h"

namespace framering::python {

// close() was called in this process, so no daemon is to blame.
class ClosedError : public Error {
 public:
  using Error::Error;
};

// Sets Python's error indicator. For slots that nanobind does not wrap; elsewhere throw. Needs the GIL.
void set_python_error(const Error& error) noexcept;
void set_python_error(const ClosedError& error) noexcept;

// Makes both kinds, thrown out of a bound function, Python exceptions.
void register_errors();

}  // namespace framering::python
