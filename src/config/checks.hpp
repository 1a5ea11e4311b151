#pragma once

#include <set>
#include <string>

#include "gpuwarden/config/config.hpp"

#include "variable.hpp"

namespace gpuwarden::config {

/// Names with a usable value, the operator's or the default; a rule over several variables speaks only when
/// all of them are in it.
using Usable = std::set<std::string>;

/// What contradicts: errors. What is allowed but unwise: warnings.
void check_services(const Draft& draft, const Usable& usable, Loaded& loaded);
void check_pods(const Draft& draft, const Usable& usable, Loaded& loaded);
void check_fleet(const Draft& draft, const Usable& usable, Loaded& loaded);
void check_times(const Draft& draft, const Usable& usable, Loaded& loaded);

/// Resolves WORKER_PASS_ENV into the draft's bootstrap settings.
void resolve_pass_env(Draft& draft, const Source& source, Loaded& loaded);

/// Warns of names in the environment that look like ours and are not in the table.
void check_unknown_names(const Draft& draft, const Source& source, Loaded& loaded);

/// Hands what several rooms need to each of them; the last step of putting a configuration together.
void share(Config& config);

/// Reads or makes the SSH key and fills the draft's SSH settings. Makes one only when nothing is wrong so
/// far.
void resolve_ssh_key(Draft& draft, const Source& source, SshKey need, Loaded& loaded);

}  // namespace gpuwarden::config
