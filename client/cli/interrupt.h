// Ctrl-C and SIGTERM for commands that go on until they are ended.
#pragma once

namespace framering::cli {

// From now on they interrupt waits, without SA_RESTART, and are noted. A second Ctrl-C ends the program
// whatever it is doing.
void end_on_interrupt();
bool interrupted();

}  // namespace framering::cli
