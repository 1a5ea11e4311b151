#include "gpuwarden/control/loop.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "action_result.hpp"
#include "bring_up_runner.hpp"
#include "cancellation.hpp"
#include "context.hpp"
#include "observe.hpp"
#include "offer_book.hpp"
#include "perform.hpp"
#include "rehearsal.hpp"
#include "retention.hpp"
#include "scripts.hpp"
#include "tick_log.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr std::size_t kRecentResults = 100;
constexpr Duration kSettle = 6s;        // for what is in flight when the end begins
constexpr Duration kResign = 1500ms;    // an expired lease does the same, only later
constexpr Duration kDrainPoll = 5s;     // at most, whatever the poll interval
constexpr Duration kLongestTick = 90s;  // both services time out, with all their repetitions
constexpr Duration kLeastOverdue = 120s;
constexpr std::size_t kMaxBringUps = 256;
constexpr int kFurtherLooks = 2;

/// Called where a tracked coroutine ends; an exception there is a broken invariant and must not be swallowed.
void rethrow(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

/// Long actions, whose number is bounded. The others are one or two short calls, and decisions have been
/// counted on: a breaker that was not saved or a pod that was not deleted must not wait for crash bundles.
bool is_bounded(std::string_view action) {
  static const std::string_view kSpawn = action_name(SpawnWorker{});
  static const std::string_view kFail = action_name(FailWorker{});
  static const std::string_view kProbe = action_name(ProbeWorker{});
  return action == kSpawn || action == kFail || action == kProbe;
}

}  // namespace

struct ControlLoop::Impl {
  Context context;
  OfferBook offers;
  TickLog tick_log;
  Retention retention;
  TickReport last;
  policy::Observation last_seen;  ///< of the newest tick, without what `last` holds
  GateHistory gates;
  std::optional<MonoTime> next_tick;
  std::function<void(const DecisionRecord&)> on_decision;
  std::uint64_t ticks{0};
  bool stopping{false}, ticking{false}, hurry{false};
  bool began_idle{false};  ///< nothing was in flight when the newest tick began
  Drain drain{Drain::not_asked};
  MonoTime drain_until{}, tick_began{};
  Duration gap{0}, longest_stall{0};
  int dropped{0};                            ///< actions of this tick that found no room
  boost::asio::steady_timer* wake{nullptr};  ///< of run(): never expires; cancelled = look again
  boost::asio::cancellation_signal give_up_tick;

  Impl(Environment environment, LoopSettings settings)
      : context(std::move(environment), std::move(settings)) {}

  void finished(ActionResult result, const Result<std::string>& outcome, MonoTime began) {
    complete(result, outcome, context.env.clock.now() - began, context);
    result.at = context.env.clock.wall();
    tick_log.action_done(context.env.log, result);
    if (context.results != nullptr) context.results->push_back(result);
    context.recent.push_back(std::move(result));
    if (context.recent.size() > kRecentResults) context.recent.pop_front();
  }

  void start_bring_up(const boost::asio::any_io_executor& executor, const PlannedAction& planned) {
    const auto& action = std::get<BringUpWorker>(planned.action);
    if (context.bring_ups.contains(action.worker)) return;
    if (context.bring_ups.size() >= kMaxBringUps) {
      ++dropped;
      return;
    }
    auto control = std::make_shared<RunningBringUp>();
    control->pod = action.pod;
    context.bring_ups[action.worker] = control;
    const MonoTime began = context.env.clock.now();
    auto done = [this, worker = action.worker, began, control, result = action_result(planned)](
                    const std::exception_ptr& failure, const Result<std::string>& outcome) {
      if (!control->cancelled || !is_cancellation(failure)) rethrow(failure);
      const auto own = context.bring_ups.find(worker);
      if (own != context.bring_ups.end() && own->second == control) context.bring_ups.erase(own);
      if (failure || (!outcome && outcome.error().kind == ErrorKind::cancelled)) return;
      finished(result, outcome, began);
    };
    boost::asio::co_spawn(executor, run_bring_up(context, action.worker, action.pod, control),
                          boost::asio::bind_cancellation_slot(control->signal.slot(), std::move(done)));
  }

  void start(const boost::asio::any_io_executor& executor, PlannedAction planned) {
    if (std::holds_alternative<BringUpWorker>(planned.action)) return start_bring_up(executor, planned);
    const WorkerId worker = worker_of(planned.action);
    const std::string name(action_name(planned.action));
    const std::string fleet_key = std::holds_alternative<DeleteOrphan>(planned.action)
                                      ? std::get<DeleteOrphan>(planned.action).pod.str()
                                      : name;
    if (is_bounded(name) && bounded_in_flight() >= context.settings.control.max_actions_in_flight) {
      ++dropped;
      return;
    }
    if (worker.empty() ? !context.fleet_in_flight.insert(fleet_key).second
                       : !context.in_flight.emplace(worker, name).second) {
      return;
    }
    const MonoTime began = context.env.clock.now();
    auto done = [this, worker, fleet_key, began, result = action_result(planned)](
                    const std::exception_ptr& failure, const Result<std::string>& outcome) {
      rethrow(failure);
      if (worker.empty()) {
        context.fleet_in_flight.erase(fleet_key);
      } else {
        context.in_flight.erase(worker);
      }
      finished(result, outcome, began);
    };
    boost::asio::co_spawn(executor, perform(context, std::move(planned)), std::move(done));
  }

  long bounded_in_flight() const {
    return std::count_if(context.in_flight.begin(), context.in_flight.end(),
                         [](const auto& action) { return is_bounded(action.second); });
  }

  void start_all(const boost::asio::any_io_executor& executor) {
    dropped = 0;
    for (PlannedAction planned : last.plan.actions) start(executor, std::move(planned));
    if (dropped == 0) return;
    context.env.log.warning(
        "actions_dropped", "too much is in flight already: the next ticks decide these anew",
        {{"count", std::to_string(dropped)}, {"in_flight", std::to_string(context.in_flight.size())}});
  }

  /// Observe, decide, act. Nothing is begun once stop() was called.
  awaitable<void> tick(bool lead, bool act) {
    const MonoTime began = context.env.clock.now();
    policy::Observation seen = co_await observe(context, lead);
    if (stopping) co_return;
    seen.offers = co_await offers.current(context);
    if (stopping) co_return;
    seen.loop_gap = std::exchange(gap, 0ms);
    seen.draining_all = drain == Drain::under_way;
    seen.rehearsal = !act;  // shows what the leader would do

    const WallTime wall = context.env.clock.wall();
    const MonoTime now = context.env.clock.now();
    const std::uint64_t random = context.env.random();
    policy::Decision decision =
        policy::decide(seen, std::move(context.memory), context.settings.policy, now, random);
    context.memory = std::move(decision.memory);
    if (on_decision)
      on_decision({ticks + 1, wall, now, random, seen, context.settings.policy, context.notes, decision.plan,
                   context.memory});
    context.notes.clear();

    last = {++ticks,
            wall,
            context.env.clock.now() - began,
            std::move(seen.snapshot),
            std::move(seen.pods),
            std::move(seen.snapshot_error),
            std::move(seen.pods_error),
            std::move(decision.plan),
            context.env.clock.now(),
            context.snapshot_error,
            context.pods_error,
            act};
    last_seen = std::move(seen);
    last_seen.snapshot.reset();
    last_seen.pods.reset();
    gates.note(last);
    tick_log.tick(context.env.log, last, context.settings.control.summary_every);
    if (!act) co_return;
    const auto executor = co_await boost::asio::this_coro::executor;
    start_all(executor);
    retention.tick(executor, context, last.snapshot && last.snapshot->leader.leading);
  }

  /// One tick, given up as soon as stop() is called.
  awaitable<void> tick_or_stop() {
    const auto executor = co_await boost::asio::this_coro::executor;
    began_idle = idle();
    ticking = true;
    tick_began = context.env.clock.now();
    auto done = [this](const std::exception_ptr& failure) {
      ticking = false;
      if (wake != nullptr) wake->cancel();
      if (!stopping || !is_cancellation(failure)) rethrow(failure);
    };
    boost::asio::co_spawn(executor, tick(true, true),
                          boost::asio::bind_cancellation_slot(give_up_tick.slot(), std::move(done)));
    while (ticking && !stopping) co_await woken();
    if (ticking) give_up_tick.emit(boost::asio::cancellation_type::terminal);
  }

  bool idle() const {
    return !ticking && context.in_flight.empty() && context.fleet_in_flight.empty() &&
           context.bring_ups.empty();
  }

  /// Waits until nothing is in flight, at most `limit`.
  awaitable<void> settle(Duration limit) {
    const MonoTime until = context.env.clock.now() + limit;
    while (!idle() && context.env.clock.now() < until) co_await context.env.clock.sleep_for(20ms);
  }

  void stop(Drain why) {
    if (drain == Drain::under_way) drain = why;
    stopping = true;
    if (wake != nullptr) wake->cancel();
  }

  /// How late a short timer fires is how long the loop was blocked (or the process was stopped). The same
  /// timer says that the loop lives, and ends a drain that takes too long, also in the middle of a tick.
  awaitable<void> watch(const std::function<void()>& alive) {
    while (!stopping) {
      const Duration probe = context.settings.control.stall_probe;
      const MonoTime before = context.env.clock.now();
      co_await context.env.clock.sleep_for(probe);
      const MonoTime now = context.env.clock.now();
      const Duration late = now - before - probe;
      gap = std::max(gap, late);
      longest_stall = std::max(longest_stall, late);
      const Duration overdue =
          std::max<Duration>(kLeastOverdue, context.settings.control.poll * 2 + kLongestTick);
      if (alive && now - tick_began < overdue) alive();
      if (drain == Drain::under_way && now >= drain_until) stop(Drain::out_of_time);
    }
  }

  awaitable<void> woken() {
    boost::system::error_code ignored;
    co_await wake->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }

  /// Sleeps to the next tick, waking early when asked to stop or when something has changed.
  awaitable<void> wait_until(MonoTime next) {
    using namespace boost::asio::experimental::awaitable_operators;
    auto interrupted = [this]() -> awaitable<void> {
      while (!stopping && !hurry) co_await woken();
    };
    while (!stopping && !hurry && context.env.clock.now() < next) {
      co_await (context.env.clock.sleep_for(next - context.env.clock.now()) || interrupted());
    }
    hurry = false;
  }

  void hurry_up() {
    hurry = true;
    if (wake != nullptr) wake->cancel();
  }

  /// A look ahead: the newest tick's view, with what is in flight now.
  policy::Observation seen_again() const {
    policy::Observation seen = last_seen;
    seen.snapshot = last.snapshot;
    seen.snapshot_error = last.snapshot_error;
    seen.pods = last.pods;
    seen.pods_error = last.pods_error;
    // What was asked once is answered once.
    seen.shell_probe.clear();
    seen.newest_log_line.clear();
    seen.in_flight.clear();
    seen.bringing_up.clear();
    for (const auto& [worker, action] : context.in_flight) seen.in_flight.insert(worker);
    for (const auto& [worker, bring_up] : context.bring_ups) seen.bringing_up.insert(worker);
    seen.draining_all = drain == Drain::under_way;
    seen.rehearsal = !last.acted;
    if (last.acted) assume_done(seen, last.plan);
    return seen;
  }

  Duration poll() const {
    const Duration interval = context.settings.control.poll;
    return drain == Drain::under_way ? std::min(interval, kDrainPoll) : interval;
  }

  /// After a tick: ends the drain when there is nothing left to drain, or nothing that we may. A create that
  /// was in flight when the snapshot was read may have left a worker that it does not show.
  void look_at_drain() {
    if (drain != Drain::under_way || stopping || !last.snapshot) return;
    if (!last.snapshot->leader.leading) {
      stop(Drain::not_leading);
    } else if (last.snapshot->workers.empty() && began_idle && idle()) {
      stop(Drain::done);
    }
  }

  /// The end: calls off what can be called off, waits for the rest, gives the leadership up.
  awaitable<void> finish() {
    retention.call_off();
    for (const auto& [worker, bring_up] : std::map(context.bring_ups)) context.call_off_bring_up(worker);
    co_await settle(kSettle);
    if (context.epoch == 0) co_return;
    using namespace boost::asio::experimental::awaitable_operators;
    const auto resigned = co_await (context.env.store.resign(context.fence(), context.settings.holder) ||
                                    context.env.clock.sleep_for(kResign));
    std::string problem = "no answer in time";
    if (const auto* answer = std::get_if<0>(&resigned)) {
      if (*answer) co_return;
      problem = answer->error().message;
    }
    context.env.log.warning("resign_failed", "the next daemon has to wait for the lease to expire",
                            {{"error", problem}});
  }
};

ControlLoop::ControlLoop(Environment environment, LoopSettings settings)
    : impl_(std::make_unique<Impl>(std::move(environment), std::move(settings))) {}
ControlLoop::~ControlLoop() = default;

awaitable<void> ControlLoop::run() {
  Impl& self = *impl_;
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer wake(executor, boost::asio::steady_timer::time_point::max());
  self.wake = &wake;
  // An event loop that is destroyed takes this frame along, before the loop object.
  const std::unique_ptr<Impl, void (*)(Impl*)> forget(&self, [](Impl* impl) { impl->wake = nullptr; });
  self.tick_began = self.context.env.clock.now();
  self.on_decision = on_decision;
  boost::asio::co_spawn(executor, self.watch(on_alive), rethrow);
  MonoTime next = self.context.env.clock.now();
  while (!self.stopping) {
    co_await self.tick_or_stop();
    if (self.stopping) break;
    if (on_tick) on_tick(self.last);
    self.look_at_drain();
    const MonoTime now = self.context.env.clock.now();
    next = std::max(next + self.poll(), now);  // a tick that took longer delays, it does not pile up
    self.next_tick = next;
    co_await self.wait_until(next);
    next = std::min(next, self.context.env.clock.now());
  }
  self.next_tick.reset();
  if (on_stopping) on_stopping();
  co_await self.finish();
}

awaitable<CycleSummary> ControlLoop::once(bool dry) {
  Impl& self = *impl_;
  CycleSummary summary;
  self.context.results = &summary.results;
  // One look cannot tell what lasts.
  self.context.settings.policy.scale_up_delay = self.context.settings.policy.scale_down_delay = 0s;
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
  impl_->stop(Drain::called_off);
}
void ControlLoop::drain_and_stop(Duration limit) {
  if (impl_->drain != Drain::not_asked || impl_->stopping) return;
  impl_->drain = Drain::under_way;
  impl_->drain_until = impl_->context.env.clock.now() + limit;
  impl_->hurry_up();
}
Drain ControlLoop::drain() const {
  return impl_->drain;
}
void ControlLoop::apply(LoopSettings settings) {
  take_settings(impl_->context, std::move(settings));
  impl_->offers.forget();
  impl_->hurry_up();  // the new poll interval may be much shorter
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
  view.gates = &impl_->gates;
  const MonoTime now = impl_->context.env.clock.now();
  if (impl_->next_tick) view.next_tick_in = std::max(Duration{0}, *impl_->next_tick - now);
  return view;
}

Plan ControlLoop::rehearse() const {
  if (impl_->ticks == 0) return {};
  const MonoTime now = impl_->context.env.clock.now();
  const MonoTime then = std::max(now, impl_->next_tick.value_or(now));
  // The ids that new workers would get do not matter.
  return policy::decide(impl_->seen_again(), impl_->context.memory, impl_->context.settings.policy, then, 0)
      .plan;
}

std::optional<policy::WorkerStory> ControlLoop::explain(const WorkerId& worker) const {
  const TickReport& last = impl_->last;
  if (impl_->ticks == 0 || !last.snapshot) return std::nullopt;
  const auto& rows = last.snapshot->workers;
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const Worker& one) { return one.id == worker; });
  if (row == rows.end()) return std::nullopt;
  return policy::explain_worker(*row, *last.snapshot, impl_->context.memory, last.plan,
                                impl_->context.settings.policy, last.now);
}

}  // namespace gpuwarden::control
