#include "retention.hpp"

#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

namespace gpuwarden::control {
namespace {

using namespace std::chrono_literals;

constexpr Duration kEvery = 1h;
const char* const kInFlight = "prune";

}  // namespace

void Retention::tick(const boost::asio::any_io_executor& executor, Context& context, bool leading) {
  const MonoTime now = context.env.clock.now();
  if (leading && !leading_) due_ = now;
  leading_ = leading;
  if (!leading || now < due_ || !context.fleet_in_flight.insert(kInFlight).second) return;
  due_ = now + kEvery;
  auto done = [this, &context](const std::exception_ptr& failure, const Result<ports::Pruned>& pruned) {
    context.fleet_in_flight.erase(kInFlight);
    if (called_off_) return;
    if (failure) std::rethrow_exception(failure);
    finished(context, pruned);
  };
  boost::asio::co_spawn(executor,
                        context.env.store.prune(context.fence(), context.settings.control.failure_retention),
                        boost::asio::bind_cancellation_slot(signal_.slot(), std::move(done)));
}

void Retention::call_off() {
  called_off_ = true;
  signal_.emit(boost::asio::cancellation_type::terminal);
}

void Retention::finished(Context& context, const Result<ports::Pruned>& pruned) {
  if (!pruned) {
    context.env.log.warning("prune_failed",
                            "old failures and events are still there; the next try is in an hour",
                            {{"error", pruned.error().message}});
    return;
  }
  failures_ += pruned->failures;
  events_ += pruned->events;
  if (pruned->more) {
    due_ = MonoTime{};  // the next tick goes on
    return;
  }
  const long failures = std::exchange(failures_, 0), events = std::exchange(events_, 0);
  if (failures + events == 0) return;
  const auto days = std::chrono::duration_cast<std::chrono::days>(context.settings.control.failure_retention);
  context.env.log.info("pruned", fmt::format("what is older than {} days was deleted", days.count()),
                       {{"failures", std::to_string(failures)}, {"events", std::to_string(events)}});
}

}  // namespace gpuwarden::control
