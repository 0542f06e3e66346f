#include "client/cli/doctor.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"

namespace framering::cli {

namespace {

using Json = nlohmann::ordered_json;

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarning:
      return "warning";
    case Verdict::kBroken:
      return "broken";
  }
  return "broken";
}

Json to_json(const Check& check) {
  Json json = {{"name", check.name}, {"verdict", word(check.verdict)}, {"found", check.found}};
  if (!check.fix.empty()) json["fix"] = check.fix;
  for (const auto& [name, value] : check.figures) json["figures"][name] = value;
  return json;
}

int exit_code(Verdict worst) {
  return worst == Verdict::kOk ? kOk : worst == Verdict::kWarning ? kWarnings : kFailed;
}

}  // namespace

int doctor(const std::string& socket, const DoctorOptions& options) {
  std::vector<Check> checks;
  for (auto&& part : {check_daemon(socket), check_display(), check_gpu(), check_system()}) {
    checks.insert(checks.end(), part.begin(), part.end());
  }
  const Verdict worst = std::ranges::max_element(checks, {}, &Check::verdict)->verdict;
  if (options.json) {
    Json all = {{"verdict", word(worst)}, {"checks", Json::array()}};
    for (const Check& check : checks) all["checks"].push_back(to_json(check));
    std::printf("%s\n", all.dump(2).c_str());
    return exit_code(worst);
  }
  for (const Check& check : checks) {
    std::printf("%-8s %-12s %s\n", word(check.verdict), check.name.c_str(), check.found.c_str());
    if (!check.fix.empty()) std::printf("%21s -> %s\n", "", check.fix.c_str());
  }
  return exit_code(worst);
}

}  // namespace framering::cli
