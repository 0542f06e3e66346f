// The daemon's end of the socket path: taken over from a dead daemon, refused to a second living one; or
// handed over by who started the daemon.
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
  // A socket that listens already and stays where it is when the daemon ends: clients that connect in between
  // are served by the next one.
  static proto::Result<Listener> adopt(proto::UniqueFd socket);
  Listener(Listener&& other) noexcept = default;
  Listener& operator=(Listener&& other) noexcept = delete;
  ~Listener();  // removes a socket that it opened

  int fd() const { return socket_.get(); }  // non-blocking
  const std::string& path() const { return path_; }

 private:
  Listener(std::string path, proto::UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  // Held on PATH.lock while the daemon lives, so that two starts cannot both win. None for an adopted socket.
  proto::UniqueFd lock_;
  proto::UniqueFd socket_;
};

}  // namespace framering::daemon
