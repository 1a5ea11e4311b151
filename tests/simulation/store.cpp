#include "simulation/store.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/http/retry.hpp"

namespace gpuwarden::simulation {
namespace {

using ports::Async;
using ports::CasOutcome;
using supabase::Effect;
using namespace std::chrono_literals;

// As supabase::Settings has them.
constexpr Duration kAttemptTimeout = 10s;
constexpr Duration kDeadline = 20s;
constexpr Duration kStatementTimeout = 8s;
constexpr Duration kLatestDuplicate = 30s;
constexpr int kOk = 200;

http::Response answered(int status, std::string body, const char* type = "application/json") {
  http::Response response;
  response.status = status;
  response.headers = {{"Content-Type", type}};
  response.body = std::move(body);
  return response;
}

http::Response sql_error(const std::string& code, const std::string& message) {
  const int status = code == "PT403" || code == "42501" ? 403 : code == "57014" ? 500 : 400;
  return answered(status, nlohmann::json{{"code", code}, {"message", message}}.dump());
}

http::Response gateway_error() {
  return answered(503, "<html>503 Service Temporarily Unavailable</html>", "text/html");
}

Error transport_error(ErrorKind kind, std::string message) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  return error;
}

/// The row is already as `change` wants it: the answer to our own earlier attempt was lost.
bool already_done(const supabase::UpdateAnswer& answer, const ports::WorkerChange& change) {
  if (!change.status && !change.phase) return false;
  const bool status = !change.status || answer.status == to_string(*change.status);
  const bool phase = !change.phase || parse_phase(answer.phase) == change.phase;
  return status && phase && answer.reason != "not_leader";
}

}  // namespace

std::string_view to_string(DatabaseWeather::Fault fault) {
  switch (fault) {
    case DatabaseWeather::Fault::none:
      return "none";
    case DatabaseWeather::Fault::down:
      return "down";
    case DatabaseWeather::Fault::refusing:
      return "refusing";
    case DatabaseWeather::Fault::unreadable:
      return "unreadable";
    case DatabaseWeather::Fault::read_only:
      return "read_only";
    case DatabaseWeather::Fault::reads_fail:
      return "reads_fail";
    case DatabaseWeather::Fault::writes_fail:
      return "writes_fail";
    case DatabaseWeather::Fault::stale_key:
      return "stale_key";
  }
  return "";
}

/// One request on its way and back.
struct SimStore::Exchange {
  std::string function, body, name;
  std::weak_ptr<Process> sender;
  Process::Ticket ticket{0};
  Fate fate;
  bool answered{false};
  http::Response response;
};

/// The way to the database, which outlives the daemon.
struct SimStore::Wire : std::enable_shared_from_this<SimStore::Wire> {
  Wire(Scheduler& s, Database& d, const DatabaseWeather& w, Fates& f, Random r, std::string who)
      : scheduler(s), database(d), weather(w), fates(f), random(r), sender(std::move(who)) {}

  Scheduler& scheduler;
  Database& database;
  const DatabaseWeather& weather;
  Fates& fates;
  Random random;
  std::string sender;

  void send(const std::shared_ptr<Exchange>& exchange, Duration slow) {
    scheduler.after(exchange->fate.latency + slow,
                    [self = shared_from_this(), exchange] { self->arrive(exchange); });
  }

  void arrive(const std::shared_ptr<Exchange>& exchange) {
    const Fate::Kind kind = exchange->fate.kind;
    exchange->response = exchange->fate.effective() ? serve(*exchange) : gateway_error();
    const bool done = exchange->response.status == kOk;
    if (kind == Fate::Kind::failed_but_done) exchange->response = gateway_error();
    if (done && random.chance(weather.duplicates)) repeat(exchange);
    if (done) fates.effect(Service::supabase, exchange->name);
    if (kind == Fate::Kind::reply_lost || kind == Fate::Kind::request_lost) return;
    scheduler.after(exchange->fate.latency, [exchange] {
      exchange->answered = true;
      if (const auto process = exchange->sender.lock()) process->wake(exchange->ticket);
    });
  }

  /// Something on the way has sent it twice.
  void repeat(const std::shared_ptr<Exchange>& exchange) {
    scheduler.after(random.between(Duration{0}, kLatestDuplicate), [self = shared_from_this(), exchange] {
      if (self->serve(*exchange).status == kOk)
        self->fates.effect(Service::supabase, exchange->name + " (again)");
    });
  }

  http::Response serve(const Exchange& exchange) {
    using Fault = DatabaseWeather::Fault;
    const bool reads = exchange.function == "gpuwarden_snapshot";
    switch (weather.fault) {
      case Fault::down:
      case Fault::refusing:
        return gateway_error();
      case Fault::stale_key:
        return answered(401, R"({"message":"Invalid API key"})");
      case Fault::reads_fail:
        if (reads) return sql_error("57014", "canceling statement due to statement timeout");
        break;
      case Fault::writes_fail:
        if (!reads) return sql_error("57014", "canceling statement due to statement timeout");
        break;
      case Fault::none:
      case Fault::unreadable:
      case Fault::read_only:
        break;
    }
    const http::Response response = call(exchange);
    if (weather.fault == Fault::unreadable) return answered(200, "<html>be right back</html>", "text/html");
    return response;
  }

  http::Response call(const Exchange& exchange) {
    try {
      const nlohmann::json arguments = nlohmann::json::parse(exchange.body);
      nlohmann::json answer = database.rpc(exchange.function, arguments, scheduler.wall());
      if (weather.on_answer) weather.on_answer(exchange.function, arguments, answer);
      return answered(200, answer.dump());
    } catch (const SqlError& error) {
      return sql_error(error.code, error.what());
    }
  }
};

SimStore::SimStore(Process& process, Database& database, const DatabaseWeather& weather, Fates& fates,
                   Random random, std::string sender)
    : process_(process),
      wire_(std::make_shared<Wire>(process.scheduler(), database, weather, fates, random.fork(),
                                   std::move(sender))),
      random_(random) {}

SimStore::Call SimStore::write(std::string function, std::string body, std::string about, bool repeatable) {
  return {std::move(function), std::move(body), std::move(about), Effect::write, repeatable};
}

Async<std::string> SimStore::attempt(const Call& call, MonoTime deadline, bool& sent) {
  const auto exchange = std::make_shared<Exchange>();
  exchange->function = call.function;
  exchange->body = call.body;
  exchange->name = call.about.empty() ? call.function : fmt::format("{} {}", call.function, call.about);
  exchange->sender = process_.weak_from_this();
  exchange->ticket = process_.ticket();
  exchange->fate = wire_->fates.of(Service::supabase, exchange->name);
  ++requests_;
  if (exchange->fate.kind == Fate::Kind::not_reached ||
      wire_->weather.fault == DatabaseWeather::Fault::down) {
    co_await process_.wait(process_.ticket(), exchange->fate.latency);
    co_return fail(ErrorKind::unavailable, "connection refused");
  }
  const Duration slow =
      wire_->weather.slow == Duration{0} ? Duration{0} : random_.between(Duration{0}, wire_->weather.slow);
  if (slow > kStatementTimeout)
    exchange->fate.kind = Fate::Kind::request_lost;  // cancelled there, and rolled back
  sent = true;
  wire_->send(exchange, slow);
  const Duration left = std::min<Duration>(kAttemptTimeout, deadline - process_.now());
  co_await process_.wait(exchange->ticket, left);
  if (!exchange->answered) {
    const ErrorKind kind = call.effect == Effect::write ? ErrorKind::ambiguous : ErrorKind::timeout;
    co_return fail(transport_error(kind, "no answer in time"));
  }
  const http::Response& response = exchange->response;
  if (response.status < 200 || response.status > 299)
    co_return fail(supabase::error_of(response, call.effect));
  if (!response.is_json()) co_return fail(ErrorKind::malformed, "the answer is text/html, not JSON");
  co_return exchange->response.body;
}

std::optional<Duration> SimStore::pause_after(const Error& error, const Call& call, int attempts_made) {
  switch (error.kind) {
    case ErrorKind::unavailable:
      if (error.code == "25006") return std::nullopt;
      break;
    case ErrorKind::timeout:
      if (error.code == "57014" && attempts_made > 1) return std::nullopt;
      break;
    case ErrorKind::ambiguous:
      if (!call.repeatable) return std::nullopt;
      break;
    case ErrorKind::rate_limited:
      break;
    default:
      return std::nullopt;
  }
  return http::pause_before_retry({}, error, attempts_made, random_.next());
}

Async<SimStore::Answer> SimStore::post(Call call) {
  Answer answer;
  const MonoTime deadline = process_.now() + kDeadline;
  for (int made = 1;; ++made) {
    bool sent = false;
    auto body = co_await attempt(call, deadline, sent);
    if (body) {
      answer.body = std::move(*body);
      co_return answer;
    }
    Error error = body.error();
    if (error.kind == ErrorKind::ambiguous) answer.after_ambiguous = true;
    const auto pause = pause_after(error, call, made);
    if (!pause || process_.now() + *pause >= deadline) {
      if (answer.after_ambiguous && call.effect == Effect::write) error.kind = ErrorKind::ambiguous;
      co_return fail(error.within(call.function));
    }
    co_await process_.wait(process_.ticket(), *pause);
  }
}

Async<Snapshot> SimStore::snapshot(ports::SnapshotQuery query) {
  const auto answer = co_await post({"gpuwarden_snapshot", supabase::snapshot_request(query)});
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_snapshot(answer->body);
}

Async<CasOutcome> SimStore::register_worker(ports::Fence fence, ports::Registration registration) {
  const std::string function = "gpuwarden_register_worker";
  const auto answer = co_await post(
      write(function, supabase::register_worker_request(fence, registration), registration.worker.str()));
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_cas(answer->body, function);
}

Async<CasOutcome> SimStore::update_worker(ports::Fence fence, ports::WorkerChange change) {
  std::string about = change.worker.str();
  if (change.status) about += fmt::format(" {}", to_string(*change.status));
  if (change.phase) about += fmt::format(" {}", phase_text(*change.phase, change.step));
  const auto answer = co_await post(
      write("gpuwarden_update_worker", supabase::update_worker_request(fence, change), std::move(about)));
  if (!answer) co_return fail(answer.error());
  const auto update = supabase::parse_update(answer->body);
  if (!update) co_return fail(update.error());
  if (update->done || (answer->after_ambiguous && already_done(*update, change))) co_return CasOutcome::done;
  co_return CasOutcome::lost;
}

Async<ports::TasksFreed> SimStore::fail_worker(ports::Fence fence, ports::FailureRecord failure) {
  const std::string function = "gpuwarden_fail_worker";
  const std::string request =
      fmt::format("{}-{:08x}-{}", wire_->sender, random_.next() & 0xffffffffU, ++calls_);
  const auto answer = co_await post(
      write(function, supabase::failure_request(fence, failure, request), failure.worker.str()));
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_tasks_freed(answer->body, function);
}

Async<CasOutcome> SimStore::add_evidence(ports::Fence fence, ports::FailureRecord failure) {
  const std::string function = "gpuwarden_add_evidence";
  const auto answer =
      co_await post(write(function, supabase::failure_request(fence, failure), failure.worker.str()));
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_cas(answer->body, function);
}

Async<ports::TasksFreed> SimStore::rescue_tasks(ports::Fence fence, ports::RescueRequest request) {
  const std::string function = "gpuwarden_rescue_tasks";
  const auto answer = co_await post(write(function, supabase::rescue_request(fence, request), "", false));
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_tasks_freed(answer->body, function);
}

Async<CasOutcome> SimStore::save_breaker(ports::Fence fence, BreakerMemory memory) {
  const std::string function = "gpuwarden_save_state";
  const auto answer = co_await post(
      write(function, supabase::save_breaker_request(fence, memory), std::string(to_string(memory.state))));
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_cas(answer->body, function);
}

Async<CasOutcome> SimStore::resign(ports::Fence fence, std::string holder) {
  const std::string function = "gpuwarden_resign";
  const auto answer = co_await post(write(function, supabase::resign_request(fence, holder), "", false));
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_cas(answer->body, function);
}

Async<ports::OperatorAnswer> SimStore::operate(std::string owner, ports::OperatorCommand command) {
  const auto answer =
      co_await post(write("gpuwarden_operator", supabase::operator_request(owner, command), command.actor));
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_operator(answer->body);
}

Async<ports::StoreHealth> SimStore::health() {
  const auto answer = co_await post({"gpuwarden_health", "{}"});
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_health(answer->body);
}

Async<std::vector<ports::FailureRow>> SimStore::failures(std::string owner, Duration since, int limit) {
  const auto answer =
      co_await post({"gpuwarden_list_failures", supabase::list_failures_request(owner, since, limit)});
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_failures(answer->body);
}

Async<std::vector<ports::WorkerRow>> SimStore::workers(std::string owner, bool ended_too, int limit) {
  const auto answer =
      co_await post({"gpuwarden_list_workers", supabase::list_workers_request(owner, ended_too, limit)});
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_workers(answer->body);
}

Async<std::optional<ports::WorkerRow>> SimStore::worker(WorkerId worker) {
  const auto answer = co_await post({"gpuwarden_get_worker", supabase::get_worker_request(worker)});
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_worker(answer->body);
}

Async<std::vector<ports::TaskRow>> SimStore::tasks(std::string status, int limit) {
  const auto answer = co_await post({"gpuwarden_list_tasks", supabase::list_tasks_request(status, limit)});
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_tasks(answer->body);
}

Async<Incident> SimStore::incident(std::string owner, Duration since, int limit) {
  const auto answer =
      co_await post({"gpuwarden_incident", supabase::list_failures_request(owner, since, limit)});
  if (!answer) co_return fail(answer.error());
  co_return supabase::parse_incident(answer->body);
}

}  // namespace gpuwarden::simulation
