#pragma once

#include <optional>
#include <random>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "gpuwarden/supabase/codec.hpp"
#include "gpuwarden/supabase/store.hpp"

#include "slots.hpp"

namespace gpuwarden::supabase {

/// One request with what may be done about its failures.
struct Call {
  std::string path;  ///< below the project's URL: "/rest/v1/rpc/gpuwarden_health"
  std::string name;  ///< what errors call it
  std::string body;
  Effect effect{Effect::read};
  bool repeatable{true};             ///< a repetition after an ambiguous failure changes nothing
  std::size_t max_body{16u << 20U};  ///< bytes of the answer
};

struct Answer {
  std::string body;             ///< JSON by its content type
  bool after_ambiguous{false};  ///< an earlier attempt may have taken effect
};

/// Sends calls: key headers, concurrency limit, repetitions, one deadline over all.
class SupabaseStore::Rpc {
 public:
  Rpc(http::Client& client, Settings settings);
  ports::Async<Answer> post(Call call);

 private:
  /// How far a call got, for the error when its deadline passes.
  struct Progress {
    boost::asio::steady_timer::time_point ends;
    bool sent{false};  ///< and what was sent may have taken effect
    Error last;
  };
  /// nullopt: `error` is the end of the call.
  std::optional<Duration> pause_after(const Error& error, const Call& call, int attempts_made);
  ports::Async<Answer> attempts(const Call& call, Progress& progress);
  ports::Async<std::string> attempt(const Call& call, Progress& progress);

  http::Client& client_;
  Settings settings_;
  Slots slots_;
  std::mt19937_64 random_;
};

}  // namespace gpuwarden::supabase
