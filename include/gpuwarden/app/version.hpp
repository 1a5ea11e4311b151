#pragma once

namespace gpuwarden::app {

/// What CMake's project() says; see src/app/extras.cmake.
inline constexpr const char* kVersion = GPUWARDEN_VERSION;

}  // namespace gpuwarden::app
