#pragma once

namespace gpuwarden::simulation {

/// Worlds are ten times slower under sanitizers: tests that show the same of many or large ones take fewer of
/// them there, and all of them in the release build.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace gpuwarden::simulation
