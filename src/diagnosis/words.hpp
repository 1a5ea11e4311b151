#pragma once

#include <string_view>

#include "gpuwarden/domain/failure_cause.hpp"

namespace gpuwarden::diagnosis {

/// The cause in plain words, first word in lower case: begins a summary.
std::string_view words_for(FailureCause cause);

}  // namespace gpuwarden::diagnosis
