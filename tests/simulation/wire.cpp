#include "simulation/wire.hpp"

#include <fmt/format.h>

#include "gpuwarden/http/retry.hpp"
#include "gpuwarden/runpod/codec.hpp"

#include "simulation/answers.hpp"

namespace gpuwarden::simulation {
namespace {

constexpr Duration kPauseWithoutHeader = std::chrono::seconds(5);

http::Response bad_gateway() {
  http::Response response;
  response.status = 502;
  response.headers = {{"content-type", "text/html"}};
  response.body = "<!DOCTYPE html><title>502: Bad gateway</title>";
  return response;
}

Error no_room(Duration wait) {
  Error error;
  error.kind = ErrorKind::rate_limited;
  error.message = fmt::format("the request budget has no room for {} ms", wait.count());
  error.retry_after = wait;
  return error;
}

}  // namespace

void SimProvider::Wire::learn(const http::Response& answer) {
  budget.learn(answer.header("RateLimit").value_or(""), answer.header("RateLimit-Policy").value_or(""),
               clock.now());
  if (answer.status == 429) budget.blocked(retry_after(answer).value_or(kPauseWithoutHeader), clock.now());
}

ports::Async<http::Response> SimProvider::Wire::exchange(Call call) {
  using Kind = Fate::Kind;
  const auto self = shared_from_this();
  const Fate fate = fates.of(Service::runpod, call.name);
  const Duration there = std::max(fate.latency, Duration{1});  // the effect comes before the answer
  ++requests;
  if (fate.kind == Kind::not_reached) {
    if (!co_await pause(clock, std::min(there, call.timeout))) co_return cancelled();
    co_return fail(ErrorKind::unavailable, "cannot connect: Connection refused");
  }
  const auto answer = std::make_shared<std::optional<http::Response>>();
  if (fate.effective()) {
    cloud.world().scheduler.after(there,
                                  [answer, call, weak = weak_from_this(), &account = cloud, who = caller] {
                                    *answer = account.handle(call.method, call.path, call.body, who);
                                    const bool changes = call.method != "GET" && (*answer)->status < 300;
                                    if (const auto asker = weak.lock(); asker && changes)
                                      asker->fates.effect(Service::runpod, call.name);
                                  });
  } else if (fate.kind == Kind::request_lost && call.method == "POST") {
    cloud.lost_create(call.body, caller);
  }
  const Duration answered = 2 * there + call.listen;
  const bool silent = fate.kind == Kind::reply_lost || fate.kind == Kind::request_lost;
  if (silent || answered > call.timeout + call.listen) {
    if (!co_await pause(clock, call.timeout)) co_return cancelled();
    co_return fail(ErrorKind::timeout, "no complete answer in time");
  }
  if (!co_await pause(clock, answered)) co_return cancelled();
  if (fate.kind == Kind::refused) co_return bad_gateway();
  if (!*answer) co_return fail(ErrorKind::timeout, "no complete answer in time");
  learn(**answer);
  if (fate.kind == Kind::failed_but_done) co_return problem(500, kServerError);
  co_return std::move(**answer);
}

ports::Async<std::string> SimProvider::Wire::read(http::Priority priority, std::string path,
                                                  std::string name) {
  const MonoTime ends = clock.now() + settings.deadline;
  for (int made = 1;; ++made) {
    if (const Duration wait = budget.try_spend(priority, clock.now()); wait > Duration{0})
      co_return fail(no_room(wait));
    Call get{"GET",      path, "", name, std::clamp(ends - clock.now(), Duration{1}, settings.read_timeout),
             Duration{0}};
    auto response = co_await exchange(std::move(get));
    Error error;
    if (!response) {
      error = std::move(response.error());
    } else if (response->status != 200) {
      error = runpod::error_of(*response, retry_after(*response));
    } else if (!response->is_json()) {
      error.kind = ErrorKind::malformed;
      error.http_status = response->status;
      error.message = "the answer is not JSON";
    } else {
      co_return std::move(response->body);
    }
    const bool again = is_transient(error) && error.kind != ErrorKind::rate_limited;
    if (!again || !co_await pause_before_retry(error, made, ends)) co_return fail(std::move(error));
  }
}

boost::asio::awaitable<Duration> SimProvider::Wire::take_turn(http::Priority priority) {
  const MonoTime ends = clock.now() + settings.budget_wait;
  for (;;) {
    const Duration wait = budget.try_spend(priority, clock.now());
    if (wait <= Duration{0}) co_return Duration{0};
    if (clock.now() + wait > ends || !co_await pause(clock, wait)) co_return wait;
  }
}

boost::asio::awaitable<bool> SimProvider::Wire::pause_before_retry(const Error& error, int attempts_made,
                                                                   MonoTime ends) {
  http::RetryPolicy policy;
  policy.max_attempts = settings.max_attempts;
  policy.base = settings.retry_base;
  const auto length = http::pause_before_retry(policy, error, attempts_made, random.next());
  if (!length || clock.now() + *length >= ends) co_return false;
  co_return co_await pause(clock, *length);
}

}  // namespace gpuwarden::simulation
