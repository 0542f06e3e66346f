#include <toml++/toml.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "daemon/config.h"
#include "daemon/source_name.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Status;

namespace {

struct Key {
  std::string name;
  std::function<Status(const toml::node&)> set{};  // none for tables
  std::vector<Key> table{};
  std::function<Status(const toml::table&)> each{};  // for an array of tables
};

Error at(const std::string& path, const toml::source_region& where, const std::string& what) {
  return Error{
      ErrorCode::kInvalidArgument,
      path + ":" + std::to_string(where.begin.line) + ":" + std::to_string(where.begin.column) + ": " + what,
      {}};
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t k = 1; k <= b.size(); ++k) {
      const size_t substituted = diagonal + (a[i - 1] != b[k - 1]);
      diagonal = row[k];
      row[k] = std::min({row[k] + 1, row[k - 1] + 1, substituted});
    }
  }
  return row.back();
}

template <class T, class Set>
std::function<Status(const toml::node&)> value_of(const char* type, Set set) {
  return [type, set = std::move(set)](const toml::node& node) -> Status {
    const auto value = node.value_exact<T>();
    if (!value) return Error{ErrorCode::kInvalidArgument, std::string("this must be ") + type, {}};
    return set(*value);
  };
}

// A number; TOML writes 60 and 60.0 as two types.
template <class Set>
std::function<Status(const toml::node&)> number(Set set) {
  return [set](const toml::node& node) -> Status {
    const auto value = node.value<double>();
    if (!node.is_number() || !value) return Error{ErrorCode::kInvalidArgument, "this must be a number", {}};
    return set(*value);
  };
}

template <class T, class Set>
std::function<Status(const toml::node&)> array_of(const char* type, Set set) {
  return [type, set](const toml::node& node) -> Status {
    std::vector<T> values;
    if (const toml::array* array = node.as_array()) {
      for (const toml::node& element : *array) {
        const auto value = element.value_exact<T>();
        if (!value) return Error{ErrorCode::kInvalidArgument, std::string("this must be ") + type, {}};
        values.push_back(*value);
      }
      return set(values);
    }
    return Error{ErrorCode::kInvalidArgument, std::string("this must be ") + type, {}};
  };
}

Status apply(const toml::table& table, const std::vector<Key>& keys, const std::string& path) {
  for (const auto& [name, node] : table) {
    const std::string given(name.str());
    const auto key =
        std::find_if(keys.begin(), keys.end(), [&](const Key& known) { return known.name == given; });
    if (key == keys.end()) {
      const auto nearest = std::min_element(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
        return edit_distance(a.name, given) < edit_distance(b.name, given);
      });
      return at(path, name.source(),
                "unknown key \"" + given + "\"; did you mean \"" + nearest->name + "\"?");
    }
    if (key->each) {
      const toml::array* array = node.as_array();
      if (!array || !array->is_homogeneous<toml::table>()) {
        return at(path, node.source(), given + ": these must be tables in double brackets");
      }
      for (const toml::node& element : *array) {
        if (auto taken = key->each(*element.as_table()); !taken) return taken;
      }
      continue;
    }
    if (!key->set) {
      if (!node.is_table()) return at(path, node.source(), given + ": this must be a table");
      if (auto inner = apply(*node.as_table(), key->table, path); !inner) return inner;
      continue;
    }
    if (auto set = key->set(node); !set) return at(path, node.source(), given + ": " + set.error().message);
  }
  return Ok{};
}

using TakeQuota = std::function<void(const QuotaKey&, uint64_t limit)>;

Key quota_key(const QuotaKey& quota, const TakeQuota& take) {
  return {quota.name, value_of<int64_t>("an integer", [quota, take](int64_t value) -> Status {
            const auto limit = check_quota(quota, value);
            if (!limit) return limit.error();
            take(quota, *limit);
            return Ok{};
          })};
}

// What one user may take, of others by [quota], of some by a rule.
std::vector<Key> user_quota_keys(const TakeQuota& take) {
  std::vector<Key> keys;
  for (const QuotaKey& quota : kUserQuotas) keys.push_back(quota_key(quota, take));
  return keys;
}

std::vector<Key> quota_keys(QuotaLimits& limits) {
  const TakeQuota take = [&limits](const QuotaKey& key, uint64_t limit) { limits.*key.limit = limit; };
  std::vector<Key> keys = user_quota_keys(take);
  keys.insert(keys.begin(), quota_key(kClientsQuota, take));
  return keys;
}

std::function<Status(const toml::node&)> text(std::string& to) {
  return value_of<std::string>("a string", [&to](const std::string& value) -> Status {
    to = value;
    return Ok{};
  });
}

std::function<Status(const toml::node&)> memory(MemoryChoice& to) {
  return value_of<std::string>("a string", [&to](const std::string& name) { return set_memory(to, name); });
}

std::vector<Key> metrics_keys(Config& config) {
  return {{"socket", text(config.metrics_socket)},
          {"port", value_of<int64_t>("an integer", [&](int64_t v) { return set_metrics_port(config, v); })}};
}

std::vector<Key> stream_keys(std::string& source, MemoryChoice& choice) {
  return {{"source", text(source)}, {"memory", memory(choice)}};
}

std::function<Status(const toml::node&)> ids(std::optional<std::vector<uint32_t>>& to) {
  return array_of<int64_t>("an array of integers", [&to](const std::vector<int64_t>& values) -> Status {
    to.emplace();
    for (const int64_t value : values) {
      if (value < 0 || value >= int64_t{UINT32_MAX}) {
        return Error{ErrorCode::kInvalidArgument, std::to_string(value) + " is not 0 to 4294967294", {}};
      }
      to->push_back(static_cast<uint32_t>(value));
    }
    return Ok{};
  });
}

std::function<Status(const toml::node&)> memory_kinds(std::vector<proto::MemoryKind>& to) {
  return array_of<std::string>("an array of strings", [&to](const std::vector<std::string>& names) -> Status {
    to.clear();
    for (const std::string& name : names) {
      MemoryChoice choice;
      const bool is_kind = bool(set_memory(choice, name)) && choice.device.empty();
      if (!is_kind || choice.kind == proto::MemoryKind::kAuto) {
        return Error{ErrorCode::kInvalidArgument, "\"" + name + "\" is none of host, cuda, cuda-ipc", {}};
      }
      to.push_back(choice.kind);
    }
    return Ok{};
  });
}

std::vector<Key> rule_keys(PolicyRule& rule) {
  const auto set_sources = [&rule](const std::vector<std::string>& patterns) -> Status {
    rule.sources = patterns;
    return Ok{};
  };
  return {{"uids", ids(rule.uids)},
          {"gids", ids(rule.gids)},
          {"exe", text(rule.exe)},
          {"sources", array_of<std::string>("an array of strings", set_sources)},
          {"memory", memory_kinds(rule.memory)},
          {"display", value_of<bool>("true or false",
                                     [&rule](bool value) -> Status {
                                       rule.display = value;
                                       return Ok{};
                                     })},
          {"quota", nullptr, user_quota_keys([&rule](const QuotaKey& key, uint64_t limit) {
             rule.quota.push_back({key.limit, limit});
           })}};
}

// A [[policy]]: one more rule.
Status add_rule(const toml::table& table, const std::string& path, Config& config) {
  PolicyRule rule;
  if (auto applied = apply(table, rule_keys(rule), path); !applied) return applied;
  if (!table.contains("sources")) {
    return at(path, table.source(), "policy: it needs sources = [...]; [] denies all");
  }
  rule.name = "rule " + std::to_string(config.rules.size() + 1) + " (line " +
              std::to_string(table.source().begin.line) + ")";
  config.rules.push_back(std::move(rule));
  return Ok{};
}

// A [[stream]]: one more source, perhaps with memory of its own.
Status add_stream(const toml::table& table, const std::string& path, Config& config,
                  std::vector<std::string>& added) {
  std::string source;
  MemoryChoice choice;
  if (auto applied = apply(table, stream_keys(source, choice), path); !applied) return applied;
  if (source.empty()) return at(path, table.source(), "stream: it needs a source = \"...\"");
  const auto name = SourceName::parse(source);
  if (!name) return at(path, table.get("source")->source(), "source: " + name.error().text());
  if (table.contains("memory")) config.stream_memory[name->text()] = choice;
  added.push_back(name->text());
  return Ok{};
}

std::vector<Key> top_keys(Config& config, const std::string& path, std::vector<std::string>& added) {
  using Strings = std::vector<std::string>;
  using Integers = std::vector<int64_t>;
  return {
      {"socket", text(config.socket)},
      {"display", text(config.display)},
      {"sources", array_of<std::string>("an array of strings",
                                        [&](const Strings& v) { return set_sources(config, v); })},
      {"memory", memory(config.memory)},
      {"slots", value_of<int64_t>("an integer", [&](int64_t v) { return set_slots(config, v); })},
      {"max_fps", number([&](double v) { return set_max_fps(config, v); })},
      {"lease_ms", value_of<int64_t>("an integer", [&](int64_t v) { return set_lease_ms(config, v); })},
      {"keepalive_ms",
       value_of<int64_t>("an integer", [&](int64_t v) { return set_keepalive_ms(config, v); })},
      {"linger_ms", value_of<int64_t>("an integer", [&](int64_t v) { return set_linger_ms(config, v); })},
      {"exit_when_idle",
       value_of<int64_t>("an integer", [&](int64_t v) { return set_exit_when_idle(config, v); })},
      {"log_level",
       value_of<std::string>("a string", [&](const std::string& v) { return set_log_level(config, v); })},
      {"allow_uids", array_of<int64_t>("an array of integers",
                                       [&](const Integers& v) { return set_allow_uids(config, v); })},
      {"quota", nullptr, quota_keys(config.quota)},
      {"metrics", nullptr, metrics_keys(config)},
      {"policy", nullptr, {}, [&, path](const toml::table& table) { return add_rule(table, path, config); }},
      {"stream",
       nullptr,
       {},
       [&, path](const toml::table& table) { return add_stream(table, path, config, added); }},
  };
}

void add_names(const std::vector<Key>& keys, const std::string& prefix, std::vector<std::string>& names) {
  std::string source;
  MemoryChoice choice;
  PolicyRule rule;
  for (const Key& key : keys) {
    // The keys of a rule's own table are those of the table of this name.
    if (key.set || !prefix.empty()) {
      names.push_back(prefix + key.name);
    } else if (key.name == "policy") {
      add_names(rule_keys(rule), "policy.", names);
    } else if (key.name == "stream") {
      add_names(stream_keys(source, choice), "stream.", names);
    } else {
      add_names(key.table, key.name + ".", names);
    }
  }
}

// toml++ would take a folder for an empty file, and does not say why one cannot be read.
proto::Result<std::string> read_text(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  std::string text;
  char part[4096];
  for (size_t length = sizeof part; file && length == sizeof part;) {
    length = std::fread(part, 1, sizeof part, file.get());
    text.append(part, length);
  }
  if (!file || std::ferror(file.get())) {
    return proto::errno_error(ErrorCode::kInvalidArgument, "cannot read " + path, errno);
  }
  return text;
}

}  // namespace

std::vector<std::string> config_keys() {
  Config config;
  std::vector<std::string> added, names;
  add_names(top_keys(config, {}, added), {}, names);
  return names;
}

proto::Result<Config> read_config_file(const std::string& path) {
  const auto text = read_text(path);
  if (!text) return text.error();
  toml::table table;
  try {
    table = toml::parse(*text, path);
  } catch (const toml::parse_error& error) {
    return at(path, error.source(), std::string(error.description()));
  }
  Config config;
  std::vector<std::string> added;
  if (auto applied = apply(table, top_keys(config, path, added), path); !applied) return applied.error();
  if (!added.empty()) {
    if (table.contains("sources")) added.insert(added.begin(), config.sources.begin(), config.sources.end());
    if (auto set = set_sources(config, std::move(added)); !set) {
      return Error{ErrorCode::kInvalidArgument, path + ": " + set.error().message, {}};
    }
  }
  return config;
}

}  // namespace framering::daemon
