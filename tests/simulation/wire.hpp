#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/this_coro.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/ports/clock.hpp"

#include "simulation/call.hpp"
#include "simulation/cloud.hpp"
#include "simulation/provider.hpp"

namespace gpuwarden::simulation {

/// Waits on the daemon's clock; false: the waiting coroutine was cancelled.
inline boost::asio::awaitable<bool> pause(ports::Clock& clock, Duration duration) {
  co_await clock.sleep_for(duration);
  const auto state = co_await boost::asio::this_coro::cancellation_state;
  co_return state.cancelled() == boost::asio::cancellation_type::none;
}

inline tl::unexpected<Error> cancelled() {
  return fail(ErrorKind::cancelled, "cancelled");
}

/// One exchange after the other with the simulated account: the place of runpod::RunpodProvider's Wire and of
/// the HTTP client under it.
struct SimProvider::Wire : std::enable_shared_from_this<Wire> {
  Wire(Cloud& the_cloud, Fates& the_fates, ports::Clock& the_clock, Random the_random, std::string the_caller,
       runpod::Settings the_settings)
      : cloud(the_cloud),
        fates(the_fates),
        clock(the_clock),
        random(the_random),
        caller(std::move(the_caller)),
        settings(std::move(the_settings)) {}

  struct Call {
    std::string method, path, body;
    std::string name;  ///< for fates: "create gpu-…"
    Duration timeout{0};
    Duration listen{0};  ///< how long the answer's body is read
  };
  /// By value: the call outlives whoever asks.
  ports::Async<http::Response> exchange(Call call);
  /// A GET with repetitions: the body of a JSON success, or an error.
  ports::Async<std::string> read(http::Priority priority, std::string path, std::string name);
  boost::asio::awaitable<Duration> take_turn(http::Priority priority);
  boost::asio::awaitable<bool> pause_before_retry(const Error& error, int attempts_made, MonoTime ends);
  void learn(const http::Response& answer);
  std::optional<Duration> retry_after(const http::Response& answer) const {
    return answer.retry_after(clock.wall());
  }

  Cloud& cloud;
  Fates& fates;
  ports::Clock& clock;
  Random random;
  std::string caller;
  runpod::Settings settings;
  http::RequestBudget budget;
  std::uint64_t requests{0};
};

}  // namespace gpuwarden::simulation
