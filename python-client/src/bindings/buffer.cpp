#include <Python.h>

#include <memory>

#include "python-client/src/bindings/errors.h"
#include "python-client/src/bindings/frame.h"

namespace nb = nanobind;

namespace framering::python {

namespace {

// What a Py_buffer points to while its reader holds it.
struct Export {
  Lease lease;
  PixelLayout layout;
};

static_assert(sizeof(Py_ssize_t) == sizeof(int64_t));

bool asks(int flags, int request) {
  return (flags & request) == request;
}

// Null if the request can be met.
const char* refusal(int flags, const PixelLayout& layout) {
  if (asks(flags, PyBUF_WRITABLE)) return "frames are read-only: make a copy to write to";
  if (asks(flags, PyBUF_F_CONTIGUOUS)) return "the rows of a frame are in C order, not Fortran order";
  const bool wants_contiguous = asks(flags, PyBUF_C_CONTIGUOUS) || asks(flags, PyBUF_ANY_CONTIGUOUS);
  if (!layout.contiguous && (wants_contiguous || !asks(flags, PyBUF_STRIDES))) {
    return "the rows of this frame are padded (Frame.stride): ask for a strided buffer, or copy";
  }
  return nullptr;
}

}  // namespace

int get_buffer(PyObject* self, Py_buffer* buffer, int flags) noexcept {
  buffer->obj = nullptr;
  try {
    if (!nb::inst_ready(self)) {
      PyErr_SetString(PyExc_BufferError, "this frame was never taken from a stream");
      return -1;
    }
    const PyFrame& frame = *nb::inst_ptr<PyFrame>(self);
    auto exported = std::make_unique<Export>(Export{frame.lease(), frame.layout()});
    PixelLayout& layout = exported->layout;
    if (frame.info().device >= 0) {
      PyErr_SetString(PyExc_BufferError,
                      "this frame is on a CUDA device: to_numpy() makes a copy in host memory");
      return -1;
    }
    if (const char* reason = refusal(flags, layout)) {
      PyErr_SetString(PyExc_BufferError, reason);
      return -1;
    }
    const bool shaped = asks(flags, PyBUF_ND);
    buffer->buf = const_cast<std::byte*>(exported->lease->data());
    buffer->len = layout.byte_count();
    buffer->readonly = 1;
    buffer->itemsize = layout.element->bytes;
    buffer->format = asks(flags, PyBUF_FORMAT) ? const_cast<char*>(layout.element->buffer_format) : nullptr;
    buffer->ndim = shaped ? layout.dimensions : 1;
    buffer->shape = shaped ? layout.shape_values.data() : nullptr;
    buffer->strides = asks(flags, PyBUF_STRIDES) ? layout.stride_values.data() : nullptr;
    buffer->suboffsets = nullptr;
    buffer->internal = exported.release();
    buffer->obj = Py_NewRef(self);
    return 0;
  } catch (const Error& error) {
    set_python_error(error);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return -1;
}

void release_buffer(PyObject*, Py_buffer* buffer) noexcept {
  delete static_cast<Export*>(buffer->internal);
}

}  // namespace framering::python
