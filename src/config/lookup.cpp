#include "lookup.hpp"

#include <fmt/format.h>

#include "text.hpp"

namespace gpuwarden::config {
namespace {

std::string_view from_environment(const Source& source, const std::string& name) {
  const auto at = source.environment.find(name);
  return at == source.environment.end() ? std::string_view{} : trimmed(at->second);
}

void look_in_file(const Source& source, const std::string& name, std::vector<Given>& found, Loaded& loaded) {
  const std::string variable = name + "_FILE";
  const std::string path(from_environment(source, variable));
  if (path.empty()) return;
  const auto text = source.read_file(path);
  if (!text) {
    loaded.errors.push_back({variable, fmt::format("cannot read {}: {}. Check the path and who may read it.",
                                                   quoted(path), text.error().message)});
  } else if (trimmed(*text).empty()) {
    loaded.errors.push_back({variable, fmt::format("the file {} is empty.", quoted(path))});
  } else {
    found.push_back({std::string(trimmed(*text)), variable, "file " + path});
  }
}

void look_in_credentials(const Source& source, const std::string& name, std::vector<Given>& found,
                         Loaded& loaded) {
  if (source.credentials_directory.empty()) return;
  const std::string credential = lower(name);
  const auto text = source.read_file(source.credentials_directory + "/" + credential);
  if (text) {
    if (!trimmed(*text).empty())
      found.push_back({std::string(trimmed(*text)), name, "systemd credential " + credential});
  } else if (text.error().kind != ErrorKind::not_found) {
    loaded.errors.push_back(
        {name, fmt::format("cannot read the systemd credential {}: {}.", credential, text.error().message)});
  }
}

/// Everything given under exactly this name; an error when that is not one value.
std::optional<Given> find_under(const std::string& name, bool secret, const Source& source, Loaded& loaded) {
  std::vector<Given> found;
  if (const std::string_view value = from_environment(source, name); !value.empty()) {
    const auto origin = source.origins.find(name);
    found.push_back(
        {std::string(value), name, origin == source.origins.end() ? "environment" : origin->second});
  }
  if (secret) {
    look_in_file(source, name, found, loaded);
    look_in_credentials(source, name, found, loaded);
  }
  if (found.empty()) return std::nullopt;
  for (const Given& other : found) {
    if (other.value == found.front().value) continue;
    loaded.errors.push_back(
        {name, fmt::format("has two different values, from {} and from {}. Remove one of them.",
                           found.front().origin, other.origin)});
    break;
  }
  return found.front();
}

}  // namespace

std::optional<Given> find_value(const Variable& variable, const Source& source, Loaded& loaded) {
  std::optional<Given> chosen = find_under(variable.name, variable.secret, source, loaded);
  for (const std::string& old : variable.old_names) {
    std::optional<Given> given = find_under(old, variable.secret, source, loaded);
    if (!given) continue;
    if (!chosen) {
      given->origin += ", under the old name " + old;
      chosen = std::move(given);
    } else if (given->value != chosen->value) {
      loaded.warnings.push_back(
          {old, fmt::format("is ignored because {} is set, to another value. Remove it.", variable.name)});
    }
  }
  return chosen;
}

}  // namespace gpuwarden::config
