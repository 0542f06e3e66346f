#include <grp.h>
#include <linux/limits.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "daemon/subject.h"

namespace framering::daemon {

namespace {

constexpr socklen_t kManyGroups = 1024;

// Of another user's process only the name by which it was started can be read.
std::string executable(uint32_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  char path[PATH_MAX];
  const ssize_t length = readlink((folder + "/exe").c_str(), path, sizeof path);
  if (length > 0) return {path, static_cast<size_t>(length)};
  std::string name;
  std::ifstream command(folder + "/cmdline");
  std::getline(command, name, '\0');
  return name.starts_with('/') ? name.substr(0, PATH_MAX) : std::string();
}

}  // namespace

Subject subject_of(const proto::PeerCredentials& credentials, int socket) {
  Subject subject{credentials.uid, {credentials.gid}, executable(credentials.pid)};
  std::vector<gid_t> groups(kManyGroups);
  socklen_t bytes = kManyGroups * sizeof(gid_t);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0) {
    groups.resize(bytes / sizeof(gid_t));
    subject.gids.insert(subject.gids.end(), groups.begin(), groups.end());
  }
  return subject;
}

Subject subject_of_user(uint32_t uid) {
  Subject subject{.uid = uid, .gids = {}, .exe = {}};
  const passwd* user = getpwuid(uid);
  if (!user) return subject;
  int count = kManyGroups;
  std::vector<gid_t> groups(kManyGroups);
  if (getgrouplist(user->pw_name, user->pw_gid, groups.data(), &count) < 0) return subject;
  subject.gids.assign(groups.begin(), groups.begin() + count);
  return subject;
}

}  // namespace framering::daemon
