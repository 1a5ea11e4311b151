#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "simulation/call.hpp"
#include "simulation/universe.hpp"

namespace gpuwarden::simulation {

/// A small story without chance, told again and again with one crash in each place.
struct Scenario {
  std::string_view name, meaning;
  void (*shape)(Profile& profile);
  /// Plans what happens to the world.
  void (*begin)(Universe& universe);
  /// What keeps the n-th pod (from 1) from its first heartbeat.
  std::optional<FailureCause> (*start)(int nth);
  /// Fate of the n-th call (from 1) that changes something; none = done.
  std::optional<Fate::Kind> (*call)(std::string_view call, int nth);
};
const std::vector<Scenario>& scenarios();

/// What happens to the n-th call that changes something, and where the daemon is killed.
struct CrashAt {
  int call{0};  ///< from 1; 0 = nothing happens
  enum class How {
    at_effect,             ///< killed right after its effect, before the answer
    at_answer,             ///< killed right after the answer: what follows from it has just been sent
    reply_lost,            ///< its answer is lost; killed after the effect of the next call
    failed_but_done,       ///< an error is answered although it was done; likewise
    only_reply_lost,       ///< and nobody is killed
    only_failed_but_done,  ///< likewise
  } how{How::at_effect};
};
inline constexpr std::array kCrashKinds{
    std::pair{"at_effect", CrashAt::How::at_effect},
    std::pair{"at_answer", CrashAt::How::at_answer},
    std::pair{"reply_lost", CrashAt::How::reply_lost},
    std::pair{"failed_but_done", CrashAt::How::failed_but_done},
    std::pair{"only_reply_lost", CrashAt::How::only_reply_lost},
    std::pair{"only_failed_but_done", CrashAt::How::only_failed_but_done}};

/// True for calls that change something worth a crash.
bool changes_something(Service service, std::string_view call);

}  // namespace gpuwarden::simulation
