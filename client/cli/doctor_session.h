// What kind of session this is, by its environment.
#pragma once

#include "client/cli/doctor.h"

namespace framering::cli {

Check check_session();

}  // namespace framering::cli
