#include "command.hpp"
#include "status_view.hpp"

namespace gpuwarden::cli {
namespace {

/// The daemon's answer; none when no daemon can be asked.
boost::asio::awaitable<Result<Json>> from_daemon(Scope scope) {
  const auto answer = co_await scope.services.ask_daemon("/v1/status");
  if (!answer) co_return fail(answer.error());
  Json json = Json::parse(*answer, nullptr, false);
  if (!json.is_object()) co_return fail(ErrorKind::malformed, "the daemon's answer is not JSON");
  co_return json;
}

boost::asio::awaitable<Result<Json>> from_database(Scope scope, Error daemon_error) {
  ports::SnapshotQuery query;
  query.owner = scope.config().policy.owner;
  query.failure_window = scope.config().policy.failure_window;
  query.rescue_exempt = scope.config().policy.stuck_exempt;
  const auto snapshot = co_await scope.services.store->snapshot(std::move(query));
  if (!snapshot) co_return fail(snapshot.error());
  co_return snapshot_status(*snapshot, daemon_error);
}

/// What to type when the daemon could not be asked.
std::string_view next_without_daemon(ErrorKind kind) {
  if (kind == ErrorKind::not_found) return "Next: systemctl start gpuwarden, or gpuwarden run";
  if (kind == ErrorKind::unauthorized)
    return "Next: sudo gpuwarden status, or join its group: sudo usermod -aG gpuwarden $USER, then log in "
           "again";
  return "Next: journalctl -u gpuwarden -n 50";
}

}  // namespace

boost::asio::awaitable<int> status(Scope scope) {
  auto json = co_await from_daemon(scope);
  std::string_view next = "Next: gpuwarden plan, gpuwarden failures, gpuwarden worker ID";
  if (!json) {
    const Error error = json.error();
    next = next_without_daemon(error.kind);
    json = co_await from_database(scope, error);
  }
  if (!json) co_return report_error(scope.output, json.error(), "gpuwarden doctor");
  if (scope.output.json) {
    print_json(scope.output, *json);
    co_return kDone;
  }
  print_status(*json, scope.output);
  const bool fails = json->contains("failing") && !json->at("failing").empty();
  if (fails && (*json)["daemon"].is_object())
    next = "Next: gpuwarden report, gpuwarden failures, gpuwarden worker ID";
  scope.output.out << "\n" << next << "\n";
  co_return kDone;
}

}  // namespace gpuwarden::cli
