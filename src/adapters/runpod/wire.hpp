#pragma once

#include <random>
#include <string>

#include "gpuwarden/http/request_budget.hpp"
#include "gpuwarden/runpod/codec.hpp"
#include "gpuwarden/runpod/provider.hpp"

namespace gpuwarden::runpod {

/// Requests with the key, the request budget, deadlines and repetitions.
class RunpodProvider::Wire {
 public:
  Wire(http::Client& client, const ports::Clock& clock, Settings settings);

  /// A request for `path`, below the API's URL.
  http::Request request(std::string method, const std::string& path) const;
  /// One exchange; learns the budget from the headers of its answer as soon as they have come.
  ports::Async<http::Response> exchange(http::Request request);
  /// A GET with repetitions: the body of a JSON success, or an error.
  ports::Async<std::string> read(http::Priority priority, std::string path);
  /// Takes a request from the budget, waiting at most Settings::budget_wait. Zero = taken; otherwise how much
  /// longer the wait would be.
  boost::asio::awaitable<Duration> take_turn(http::Priority priority);
  /// The same without waiting.
  Duration try_turn(http::Priority priority);
  /// Jittered pause before the next attempt; false = give up: enough attempts, or `ends` would pass.
  boost::asio::awaitable<bool> pause(const Error& error, int attempts_made, MonoTime ends);
  std::optional<Duration> retry_after(const http::Response& response) const;

  MonoTime now() const { return clock_.now(); }
  const Settings& settings() const { return settings_; }
  std::vector<BudgetWindow> budget() const;

 private:
  void learn(const http::Response& head);

  http::Client& client_;
  const ports::Clock& clock_;
  Settings settings_;
  http::RequestBudget budget_;
  std::mt19937_64 random_;
};

}  // namespace gpuwarden::runpod
