#include "clock.hpp"

namespace gpuwarden::sandbox {

Now system_now() {
  return {MonoTime(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())),
          std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now())};
}

}  // namespace gpuwarden::sandbox
