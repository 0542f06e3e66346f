// Whether systemd's journal takes what this process writes to stderr.
#pragma once

namespace framering::daemon {

bool stderr_is_the_journal();

}  // namespace framering::daemon
