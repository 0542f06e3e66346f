// The conversion on the CPU.
#pragma once

#include "client/src/tensor_kernel.h"

namespace framering::internal {

// Any thread; done on return. As tensor_convert(), but for the last bits of float32, and as fast as memory
// where nothing is resized or an area is whole pixels. In the calling thread alone: whoever reads frames many
// times a second has better uses for the other cores than waking them for it.
void convert_on_host(const TensorArguments& arguments);

// The same without instructions that a processor may lack.
void convert_portably(const TensorArguments& arguments);

}  // namespace framering::internal
