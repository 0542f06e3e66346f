#include "client/src/tensor_cuda.h"
#include "framering/error.h"

namespace framering::internal {

namespace {

[[noreturn]] void refuse() {
  throw Error(ErrorCode::memory_unavailable, "this client library was built without CUDA",
              "build it where the CUDA toolkit is, or open the stream with memory=host");
}

}  // namespace

void convert_on_device(int, const TensorArguments&, void*) {
  refuse();
}
std::shared_ptr<std::byte> allocate_on_device(int, size_t) {
  refuse();
}
void wait_for_stream(int, void*) {
  refuse();
}
void copy_from_device(int, const std::byte*, size_t, void*) {
  refuse();
}

}  // namespace framering::internal
