#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::simulation {

enum class Service { supabase, runpod, ssh };

/// What becomes of one request of the daemon.
struct Fate {
  enum class Kind {
    done,             ///< takes effect, the answer arrives
    not_reached,      ///< no connection: no effect, an error at once
    refused,          ///< a 5xx of a gateway: no effect
    reply_lost,       ///< takes effect, the answer never comes: the caller's deadline passes
    failed_but_done,  ///< takes effect, a 5xx is answered
    request_lost,     ///< no effect, no answer: the caller's deadline passes
  } kind{Kind::done};
  Duration latency{50};  ///< until the effect; the answer takes as long again
  bool effective() const {
    return kind == Kind::done || kind == Kind::reply_lost || kind == Kind::failed_but_done;
  }
};

/// Decides fates, and is told of every effect: there the daemon may be killed. `call` names method and
/// object, such as "create gpu-default-…".
class Fates {
 public:
  virtual ~Fates() = default;
  virtual Fate of(Service service, std::string_view call) = 0;
  /// The world has just changed by a request of the daemon, before the answer is on its way.
  virtual void effect(Service service, std::string_view call) = 0;
};

}  // namespace gpuwarden::simulation
