#pragma once

#include <exception>

namespace gpuwarden::control {

/// True when a coroutine ended by this exception only because it was called off: a co_await in a cancelled
/// coroutine throws, alone or from several branches at once.
bool is_cancellation(const std::exception_ptr& failure);

}  // namespace gpuwarden::control
