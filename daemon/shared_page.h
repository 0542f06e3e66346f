// A small memfd that the daemon writes and hands out: a control page or a lease page.
#pragma once

#include <cstddef>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

class SharedPage {
 public:
  // Mapped, zeroed, allocated, and sealed against resizing, so that no client can make the daemon take a
  // SIGBUS.
  static proto::Result<SharedPage> create(const char* name, size_t bytes);
  SharedPage() = default;
  SharedPage(SharedPage&& other) noexcept;
  SharedPage& operator=(SharedPage&& other) noexcept;
  ~SharedPage();

  void* data() const { return data_; }
  int fd() const { return fd_.get(); }

  // For a page that its client writes: no seal can be added any more.
  proto::Status seal_seals();
  // From here on only this mapping can write, and no seal can be added any more.
  proto::Status seal_writes();
  // A read-only descriptor for one client.
  proto::Result<proto::UniqueFd> reopen_read_only() const;

 private:
  proto::UniqueFd fd_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace framering::daemon
