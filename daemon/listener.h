// The daemon's end of the socket path: taken over from a dead daemon, refused to a second living one.
#pragma once

#include <string>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

class Listener {
 public:
  // kAlreadyInUse names the pid of the daemon that serves the path. The folder of the path is made if it is
  // missing. Every user may connect; who may attach is decided by credentials.
  static proto::Result<Listener> open(const std::string& path);
  Listener(Listener&& other) noexcept = default;
  Listener& operator=(Listener&& other) noexcept = delete;
  ~Listener();  // removes the socket

  int fd() const { return socket_.get(); }  // non-blocking
  const std::string& path() const { return path_; }

 private:
  Listener(std::string path, proto::UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  proto::UniqueFd lock_;  // held on PATH.lock while the daemon lives, so that two starts cannot both win
  proto::UniqueFd socket_;
};

}  // namespace framering::daemon
