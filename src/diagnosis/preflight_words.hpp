#pragma once

#include <optional>
#include <string_view>

#include "trouble.hpp"

namespace gpuwarden::diagnosis {

/// What a complaint of preflight is about when its words are nobody's known message: "RAM: 14 GiB available,
/// 32 GiB required". Lower case; nothing for lines that do not complain.
std::optional<Trouble> preflight_topic(std::string_view low);

}  // namespace gpuwarden::diagnosis
