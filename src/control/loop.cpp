#include "gpuwarden/control/loop.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "bring_up_runner.hpp"
#include "context.hpp"
#include "observe.hpp"
#include "offer_book.hpp"
#include "perform.hpp"
#include "tick_log.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr std::size_t kRecentResults = 100;
constexpr Duration kGapProbe = 250ms;
constexpr Duration kShutdownGrace = 10s;
constexpr std::size_t kMaxBringUps = 256;
constexpr int kFurtherLooks = 2;

/// Called where a tracked coroutine ends; an exception there is a broken invariant and must not be swallowed.
void rethrow(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

struct ControlLoop::Impl {
  Context context;
  OfferBook offers;
  TickLog tick_log;
  TickReport last;
  std::uint64_t ticks{0};
  bool stopping{false}, draining{false};
  Duration gap{0}, longest_stall{0};
  std::vector<ActionResult> collected;

  Impl(Environment environment, LoopSettings settings)
      : context(std::move(environment), std::move(settings)) {}

  void finished(ActionResult result) {
    tick_log.action_done(context.env.log, result);
    if (context.results != nullptr) context.results->push_back(result);
    context.recent.push_back(std::move(result));
    if (context.recent.size() > kRecentResults) context.recent.pop_front();
  }

  void start_bring_up(const boost::asio::any_io_executor& executor, const BringUpWorker& action) {
    if (context.bring_ups.contains(action.worker) || context.bring_ups.size() >= kMaxBringUps) return;
    auto control = std::make_shared<RunningBringUp>();
    control->pod = action.pod;
    context.bring_ups[action.worker] = control;
    const MonoTime began = context.env.clock.now();
    auto done = [this, worker = action.worker, began, control](std::exception_ptr failure,
                                                               Result<std::string> result) {
      rethrow(failure);
      const auto own = context.bring_ups.find(worker);
      if (own != context.bring_ups.end() && own->second == control) context.bring_ups.erase(own);
      if (!result && result.error().kind == ErrorKind::cancelled) return;
      finished({"bring_up", worker.str(), result.has_value(), result ? *result : result.error().message,
                context.env.clock.now() - began});
    };
    boost::asio::co_spawn(executor, run_bring_up(context, action.worker, action.pod, control),
                          boost::asio::bind_cancellation_slot(control->signal.slot(), std::move(done)));
  }

  void start(const boost::asio::any_io_executor& executor, PlannedAction planned) {
    if (const auto* bring_up = std::get_if<BringUpWorker>(&planned.action))
      return start_bring_up(executor, *bring_up);
    const WorkerId worker = worker_of(planned.action);
    const std::string name(action_name(planned.action));
    const std::string fleet_key = std::holds_alternative<DeleteOrphan>(planned.action)
                                      ? std::get<DeleteOrphan>(planned.action).pod.str()
                                      : name;
    const auto limit = static_cast<std::size_t>(context.settings.control.max_actions_in_flight);
    if (context.in_flight.size() + context.fleet_in_flight.size() >= limit) return;
    if (worker.empty() ? !context.fleet_in_flight.insert(fleet_key).second
                       : !context.in_flight.emplace(worker, name).second) {
      return;
    }
    const MonoTime began = context.env.clock.now();
    auto done = [this, worker, name, fleet_key, began](std::exception_ptr failure,
                                                       Result<std::string> result) {
      rethrow(failure);
      if (worker.empty()) {
        context.fleet_in_flight.erase(fleet_key);
      } else {
        context.in_flight.erase(worker);
      }
      finished({name, worker.str(), result.has_value(), result ? *result : result.error().message,
                context.env.clock.now() - began});
    };
    boost::asio::co_spawn(executor, perform(context, std::move(planned)), std::move(done));
  }

  /// Observe, decide, act.
  awaitable<void> tick(bool lead, bool act) {
    const MonoTime began = context.env.clock.now();
    policy::Observation seen = co_await observe(context, lead);
    seen.offers = co_await offers.current(context);
    seen.loop_gap = std::exchange(gap, 0ms);
    seen.draining_all = draining;
    seen.rehearsal = !act;  // shows what the leader would do

    const WallTime wall = context.env.clock.wall();
    policy::Decision decision = policy::decide(seen, std::move(context.memory), context.settings.policy,
                                               context.env.clock.now(), context.env.random());
    context.memory = std::move(decision.memory);

    last = {++ticks,
            wall,
            context.env.clock.now() - began,
            std::move(seen.snapshot),
            std::move(seen.pods),
            std::move(seen.snapshot_error),
            std::move(seen.pods_error),
            std::move(decision.plan)};
    tick_log.tick(context.env.log, last, context.settings.control.summary_every);
    if (!act) co_return;
    const auto executor = co_await boost::asio::this_coro::executor;
    for (PlannedAction planned : last.plan.actions) start(executor, std::move(planned));
  }

  bool idle() const {
    return context.in_flight.empty() && context.fleet_in_flight.empty() && context.bring_ups.empty();
  }

  /// Waits until nothing is in flight, at most `limit`.
  awaitable<void> settle(Duration limit) {
    const MonoTime until = context.env.clock.now() + limit;
    while (!idle() && context.env.clock.now() < until) co_await context.env.clock.sleep_for(20ms);
  }

  /// How late a short timer fires is how long the loop was blocked (or the process was stopped).
  awaitable<void> watch_gap() {
    while (!stopping) {
      const MonoTime before = context.env.clock.now();
      co_await context.env.clock.sleep_for(kGapProbe);
      const Duration late = context.env.clock.now() - before - kGapProbe;
      gap = std::max(gap, late);
      longest_stall = std::max(longest_stall, late);
    }
  }

  /// Sleeps to the next tick, waking early when asked to stop.
  awaitable<void> wait_until(MonoTime next) {
    while (!stopping && context.env.clock.now() < next) {
      co_await context.env.clock.sleep_for(std::min<Duration>(next - context.env.clock.now(), 200ms));
    }
  }

  bool fleet_is_empty() const { return last.snapshot && last.snapshot->workers.empty() && idle(); }
};

ControlLoop::ControlLoop(Environment environment, LoopSettings settings)
    : impl_(std::make_unique<Impl>(std::move(environment), std::move(settings))) {}
ControlLoop::~ControlLoop() = default;

awaitable<void> ControlLoop::run() {
  Impl& self = *impl_;
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::co_spawn(executor, self.watch_gap(), rethrow);
  MonoTime next = self.context.env.clock.now();
  while (!self.stopping) {
    co_await self.tick(true, true);
    if (on_tick) on_tick(self.last);
    if (self.draining && self.fleet_is_empty()) break;
    const MonoTime now = self.context.env.clock.now();
    next += self.context.settings.control.poll;
    if (next < now) next = now;  // a tick that took longer than the interval delays, it does not pile up
    co_await self.wait_until(next);
  }
  self.stopping = true;
  for (const auto& [worker, bring_up] : std::map(self.context.bring_ups))
    self.context.call_off_bring_up(worker);
  co_await self.settle(kShutdownGrace - 2s);
  if (self.context.epoch != 0) {
    const auto resigned =
        co_await self.context.env.store.resign(self.context.fence(), self.context.settings.holder);
    if (!resigned) self.context.env.log.warning("resign_failed", resigned.error().message);
  }
}

awaitable<CycleSummary> ControlLoop::once(bool dry) {
  Impl& self = *impl_;
  CycleSummary summary;
  self.context.results = &summary.results;
  co_await self.tick(!dry, !dry);
  co_await self.settle(60s);
  // Orphans, abandoned intents and pods that are gone are believed after a second complete list.
  for (int more = 0; !dry && more < kFurtherLooks; ++more) {
    co_await self.context.env.clock.sleep_for(std::min<Duration>(self.context.settings.control.poll, 5s));
    co_await self.tick(true, true);
    co_await self.settle(60s);
  }
  for (const auto& [worker, bring_up] : std::map(self.context.bring_ups))
    self.context.call_off_bring_up(worker);
  co_await self.settle(5s);
  self.context.results = nullptr;
  if (!dry && self.context.epoch != 0) {
    co_await self.context.env.store.resign(self.context.fence(), self.context.settings.holder);
  }
  summary.report = self.last;
  co_return summary;
}

void ControlLoop::stop() {
  impl_->stopping = true;
}
void ControlLoop::drain_and_stop() {
  impl_->draining = true;
}
void ControlLoop::apply(LoopSettings settings) {
  impl_->context.settings = std::move(settings);
  impl_->offers.forget();
}

View ControlLoop::view() const {
  View view;
  if (impl_->ticks > 0) view.last = &impl_->last;
  for (const auto& [worker, action] : impl_->context.in_flight)
    view.in_flight.push_back(action + " " + worker.str());
  for (const auto& [worker, bring_up] : impl_->context.bring_ups)
    view.in_flight.push_back("bring_up " + worker.str());
  view.recent = &impl_->context.recent;
  view.holder = impl_->context.settings.holder;
  view.longest_stall = impl_->longest_stall;
  return view;
}

}  // namespace gpuwarden::control
