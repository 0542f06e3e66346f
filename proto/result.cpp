#include "proto/result.h"

#include <system_error>

namespace framering::proto {

Error errno_error(ErrorCode code, const std::string& message, int error_number) {
  return Error{code, message + ": " + std::generic_category().message(error_number), {}};
}

}  // namespace framering::proto
