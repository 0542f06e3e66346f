#include "client/cli/completion.h"

#include <cstdio>
#include <string_view>

#include "client/cli/commands.h"

namespace framering::cli {

int completion(const std::string& shell) {
  const std::string_view script = shell == "bash"  ? kBashCompletion
                                  : shell == "zsh" ? kZshCompletion
                                                   : kFishCompletion;
  std::fwrite(script.data(), 1, script.size(), stdout);
  return kOk;
}

}  // namespace framering::cli
