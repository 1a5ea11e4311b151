#pragma once

#include <string>
#include <utility>
#include <vector>

#include "command.hpp"

namespace gpuwarden::cli {

/// What one of doctor's checks found.
struct Finding {
  enum class State { ok, warning, failed, skipped } state{State::ok};
  std::string detail;               ///< what was found; skipped: why
  std::vector<std::string> remedy;  ///< what to do or type, a step each
  bool unreachable{false};          ///< failed because a service did not answer
};

Finding passed(std::string detail);
Finding warned(std::string detail, std::string remedy);
Finding failed(std::string detail, std::string remedy);
Finding skipped(std::string why);
/// A failed call.
Finding failed_call(const Error& error, std::string remedy);

/// What earlier checks learnt, for later ones.
struct Checkup {
  explicit Checkup(Scope scope_) : scope(std::move(scope_)) {}
  Scope scope;
  bool database_answers{false}, schema_complete{false}, runpod_answers{false};
};

Finding check_configuration(const Checkup& checkup);
Finding check_keys(const Checkup& checkup);
boost::asio::awaitable<Finding> check_database(Checkup& checkup);
boost::asio::awaitable<Finding> check_migrations(Checkup& checkup);
boost::asio::awaitable<Finding> check_queue(Checkup& checkup);
boost::asio::awaitable<Finding> check_runpod(Checkup& checkup);
boost::asio::awaitable<Finding> check_gpu_types(Checkup& checkup);
boost::asio::awaitable<Finding> check_data_centers(Checkup& checkup);
boost::asio::awaitable<Finding> check_volumes(Checkup& checkup);
Finding check_ssh_key(const Checkup& checkup);

}  // namespace gpuwarden::cli
