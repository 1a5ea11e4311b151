#pragma once

namespace gpuwarden::app {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace gpuwarden::app
