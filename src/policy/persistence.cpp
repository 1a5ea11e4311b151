#include "persistence.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

namespace gpuwarden::policy {
namespace {

using Seen = std::vector<Memory::SizeSeen>;

/// Puts `size` behind those that are further out. A size holds from its look until the next one, and stays
/// while that end is inside the window; the first one is the extreme of the window then.
template <class Further>
const Memory::SizeSeen& extreme(Seen& seen, int size, MonoTime now, Duration window, const Further& further) {
  if (!seen.empty()) seen.back().until = now;
  while (!seen.empty() && !further(seen.back().size, size)) seen.pop_back();
  const auto in_window = [&](const Memory::SizeSeen& one) { return one.until > now - window; };
  seen.erase(seen.begin(), std::find_if(seen.begin(), seen.end(), in_window));
  seen.push_back({now, size});
  return seen.front();
}

}  // namespace

Sizing lasting(Tick& tick, const WantedSize& now) {
  Memory& memory = tick.memory;
  if (!memory.sizing_since) memory.sizing_since = tick.now;
  const Duration up_delay = tick.settings.scale_up_delay, down_delay = tick.settings.scale_down_delay;
  const auto& least_up = extreme(memory.least_up, now.up, tick.now, up_delay, std::less<>());
  const auto& most_up = extreme(memory.most_up, now.up, tick.now, down_delay, std::greater<>());
  const auto& most_down = extreme(memory.most_down, now.down, tick.now, down_delay, std::greater<>());

  Sizing sizing;
  sizing.now = now;
  sizing.grow_to = least_up.size;
  sizing.shrink_to = {most_up.size, most_down.size};
  const Duration watched = tick.now - *memory.sizing_since;
  if (watched < up_delay) sizing.grow_to = 0;
  if (watched < down_delay)
    sizing.shrink_to = {std::numeric_limits<int>::max(), std::numeric_limits<int>::max()};
  const auto left = [&](MonoTime since, Duration delay) {
    return std::max(since + delay - tick.now, Duration{0});
  };
  sizing.grows_in = std::max(left(*memory.sizing_since, up_delay),
                             least_up.size < now.up ? left(least_up.until, up_delay) : Duration{0});
  sizing.shrinks_in = std::max(left(*memory.sizing_since, down_delay),
                               most_down.size > now.down ? left(most_down.until, down_delay) : Duration{0});
  return sizing;
}

void forget_sizes(Memory& memory) {
  memory.sizing_since.reset();
  memory.least_up.clear();
  memory.most_up.clear();
  memory.most_down.clear();
}

}  // namespace gpuwarden::policy
