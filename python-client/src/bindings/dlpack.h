// DLPack's side of frames and tensors (https://dmlc.github.io/dlpack, version 1.0).
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace framering::python {

using IntPair = std::pair<int, int>;

inline constexpr int kDlCpu = 1;
inline constexpr int kDlCuda = 2;

struct DlType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
inline constexpr uint8_t kDlUnsigned = 1;
inline constexpr uint8_t kDlFloat = 2;
inline constexpr uint8_t kDlBfloat = 4;

// What keeps exported memory; destroyed by the reader's deleter, on any thread, without the GIL.
class DlHold {
 public:
  virtual ~DlHold() = default;
};

struct DlExport {
  std::unique_ptr<DlHold> hold;
  void* data = nullptr;
  IntPair device{kDlCpu, 0};
  DlType type{};
  int32_t dimensions = 0;
  std::array<int64_t, 4> shape{};
  std::array<int64_t, 4> strides{};  // elements
  bool read_only = false;
  bool copied = false;
};

// A capsule of the version that `max_version` allows.
nanobind::object to_capsule(DlExport exported, std::optional<IntPair> max_version);

// `stream` as __dlpack__ is given it for device memory: the stream that the reader will use.
void* to_reader_stream(nanobind::handle stream);

}  // namespace framering::python
