#include "client/cli/doctor.h"

namespace framering::cli {

std::vector<Check> check_gpu() {
  return {{.name = "gpu", .found = "this command was built without CUDA: frames are in host memory"}};
}

}  // namespace framering::cli
