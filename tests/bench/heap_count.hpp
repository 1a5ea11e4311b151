#pragma once

#include <cstddef>

namespace gpuwarden::bench {

/// What operator new has given out since the program began.
struct HeapCount {
  std::size_t allocations{0};  ///< calls
  std::size_t live_bytes{0};   ///< usable size of what has not been given back
};
HeapCount heap_count();

}  // namespace gpuwarden::bench
