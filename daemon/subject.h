// How the policy sees who is at the other end of a socket.
#pragma once

#include <cstdint>

#include "daemon/policy.h"
#include "proto/channel.h"

namespace framering::daemon {

// The groups are those that the process had when it connected; the executable is what can be read of it now.
Subject subject_of(const proto::PeerCredentials& credentials, int socket);
// A user who is not here: the groups are those of the user database.
Subject subject_of_user(uint32_t uid);

}  // namespace framering::daemon
