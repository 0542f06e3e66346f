// The socket to the daemon, and the thread that waits for its end. Shared by everything that was opened over
// it: it lives until the last frame is gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "proto/message.h"
#include "proto/result.h"
#include "proto/shm_layout.h"
#include "proto/unique_fd.h"

namespace framering::internal {

// The first bytes of a file, all of them; kProtocol where it has fewer.
proto::Result<std::string> read_file(int fd, uint64_t bytes);

class ConnectionCore {
 public:
  struct Reply {
    proto::Body body;
    std::vector<proto::UniqueFd> fds;
  };

  // Connects and shakes hands.
  static proto::Result<std::shared_ptr<ConnectionCore>> connect(const std::string& path,
                                                                const std::string& client_name);
  ~ConnectionCore();
  ConnectionCore(const ConnectionCore&) = delete;
  ConnectionCore& operator=(const ConnectionCore&) = delete;

  // Any thread; one request at a time. An Error of the daemon comes back as an error. A daemon that does not
  // answer in time is given up: the connection is lost then.
  proto::Result<Reply> request(const proto::Body& body);

  const proto::Welcome& welcome() const { return welcome_; }
  bool lost() const { return lost_.load(std::memory_order_acquire); }
  // False in a child of the process that connected.
  bool in_own_process() const;

  // Whoever sleeps on the page's wake word is woken when the connection is lost. The page stays mapped until
  // remove_page().
  void add_page(proto::LeasePage* page);
  void remove_page(proto::LeasePage* page);

 private:
  ConnectionCore(proto::UniqueFd socket, proto::UniqueFd stop_event);
  proto::Result<Reply> receive(uint32_t request_id, uint64_t deadline_ns);
  void watch();
  void lose();

  const uint64_t process_;
  const proto::UniqueFd socket_;
  const proto::UniqueFd stop_event_;
  proto::Welcome welcome_;
  std::atomic<bool> lost_{false};
  std::mutex request_mutex_;
  uint32_t request_id_ = 0;
  std::mutex pages_mutex_;
  std::unordered_set<proto::LeasePage*> pages_;
  std::unique_ptr<std::thread> watcher_;
};

// Throws forked in a child of the process that connected.
void require_own_process(const ConnectionCore& core);

}  // namespace framering::internal
