#include "python-client/src/bindings/dlpack.h"

#include <memory>

#include "python-client/src/bindings/values.h"

namespace nb = nanobind;

namespace framering::python {

namespace {

// The ABI: names and order of DLPack's header.
struct DlDevice {
  int32_t type;
  int32_t id;
};

struct DlTensor {
  void* data;
  DlDevice device;
  int32_t dimensions;
  DlType type;
  int64_t* shape;
  int64_t* strides;  // elements
  uint64_t byte_offset;
};

struct DlVersion {
  uint32_t major;
  uint32_t minor;
};
constexpr uint64_t kReadOnly = 1;
constexpr uint64_t kIsCopied = 2;

struct Unversioned {
  static constexpr const char* kCapsuleName = "dltensor";

  DlTensor tensor;
  void* context;
  void (*deleter)(Unversioned*);
};

struct Versioned {
  static constexpr const char* kCapsuleName = "dltensor_versioned";

  DlVersion version;
  void* context;
  void (*deleter)(Versioned*);
  uint64_t flags;
  DlTensor tensor;
};

static_assert(sizeof(DlTensor) == 48 && sizeof(Unversioned) == 64 && sizeof(Versioned) == 80);

// Owns what a capsule and its reader point to; the tensor's deleter ends it.
template <class Managed>
struct Owner {
  explicit Owner(DlExport held) : exported(std::move(held)) {
    managed.context = this;
    managed.deleter = [](Managed* self) { delete static_cast<Owner*>(self->context); };
    managed.tensor = {.data = exported.data,
                      .device = {exported.device.first, exported.device.second},
                      .dimensions = exported.dimensions,
                      .type = exported.type,
                      .shape = exported.shape.data(),
                      .strides = exported.strides.data(),
                      .byte_offset = 0};
  }

  Managed managed{};
  DlExport exported;
};

// A reader renames the capsule when it takes the tensor over; one that nobody took frees it.
template <class Managed>
void end_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, Managed::kCapsuleName)) return;
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Managed::kCapsuleName));
  managed->deleter(managed);
}

template <class Managed>
nb::object own(std::unique_ptr<Owner<Managed>> owner) {
  PyObject* capsule = PyCapsule_New(&owner->managed, Managed::kCapsuleName, end_capsule<Managed>);
  if (capsule == nullptr) throw nb::python_error();
  [[maybe_unused]] const auto* owned_by_capsule = owner.release();
  return nb::steal(capsule);
}

}  // namespace

nb::object to_capsule(DlExport exported, std::optional<IntPair> max_version) {
  if (!max_version || max_version->first < 1) {
    return own(std::make_unique<Owner<Unversioned>>(std::move(exported)));
  }
  const uint64_t flags = (exported.read_only ? kReadOnly : 0) | (exported.copied ? kIsCopied : 0);
  auto owner = std::make_unique<Owner<Versioned>>(std::move(exported));
  owner->managed.version = {1, 0};
  owner->managed.flags = flags;
  return own(std::move(owner));
}

void* to_reader_stream(nb::handle stream) {
  // -1 says that the reader orders things itself; it then reads before what comes on the default stream.
  if (nb::isinstance<nb::int_>(stream) && nb::cast<int64_t>(stream) == -1) return nullptr;
  if (nb::isinstance<nb::int_>(stream) && nb::cast<int64_t>(stream) == 0) {
    throw nb::buffer_error("stream must not be 0: 1 is the legacy default stream, 2 the per-thread one");
  }
  return to_cuda_stream(stream);
}

}  // namespace framering::python
