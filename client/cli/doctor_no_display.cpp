#include "client/cli/doctor.h"
#include "client/cli/doctor_session.h"

namespace framering::cli {

std::vector<Check> check_display() {
  return {check_session(),
          {.name = "display", .found = "this command was built without a look at X servers"}};
}

}  // namespace framering::cli
