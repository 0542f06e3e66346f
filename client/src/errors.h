// From the wire's errors, which are values, to the public ones, which are thrown.
#pragma once

#include <utility>

#include "framering/error.h"
#include "proto/result.h"

namespace framering::internal {

[[noreturn]] void raise(const proto::Error& error);

template <class T>
T value_or_raise(proto::Result<T> result) {
  if (!result) raise(result.error());
  return *std::move(result);
}

}  // namespace framering::internal
