#pragma once

#include <cstddef>
#include <string_view>

namespace gpuwarden::diagnosis {

/// The word at `at` is part of the name of a file or an adapter: "loaded lora error_fix_v2.safetensors"
/// speaks of no error. With `weak` (a mere hint) paths, scripts and adapters without an ending count as names
/// too. Looks at most 200 characters around.
bool is_in_a_name(bool weak, std::string_view low, std::size_t at);

/// "jaxlib.xla_extension." as it stands before the name of an exception.
bool is_module_path(std::string_view low);

}  // namespace gpuwarden::diagnosis
