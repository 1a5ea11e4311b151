#pragma once

#include <optional>
#include <string_view>

#include "trouble.hpp"

namespace gpuwarden::diagnosis {

/// What a line of preflight is about when its words are nobody's known message: "RAM: 14 GiB available,
/// 32 GiB required". Lower case; nothing for a check that passed.
std::optional<Trouble> preflight_topic(std::string_view low);
/// False for a line that may only name what is checked.
bool is_preflight_complaint(std::string_view low);

}  // namespace gpuwarden::diagnosis
