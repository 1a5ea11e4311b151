#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/config/config.hpp"

#include "variable.hpp"

namespace gpuwarden::config {

/// A value that the operator gave, and where.
struct Given {
  std::string value;  ///< trimmed, never empty
  std::string name;   ///< the variable or file variable that holds it
  /// "environment", "/etc/gpuwarden/gpuwarden.env:12", "file /run/key", "systemd credential
  /// supabase_secret_key"
  std::string origin;
};

/// Looks in the environment and, for secrets, in NAME_FILE and the systemd credential of the name in lower
/// case. An empty value is none. Two different values for one name are an error; a value under an old name
/// yields to the new one with a warning.
std::optional<Given> find_value(const Variable& variable, const Source& source, Loaded& loaded);

}  // namespace gpuwarden::config
