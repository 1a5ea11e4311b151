#pragma once

#include "pod_book.hpp"

namespace gpuwarden::sandbox {

/// The only place of the sandbox where clocks are read.
Now system_now();

}  // namespace gpuwarden::sandbox
