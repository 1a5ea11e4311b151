#include "checkup_pods.hpp"

#include <algorithm>

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr Duration kLook = 2s;
constexpr Duration kFind = 30s;
constexpr Duration kGone = 90s;
constexpr Duration kFirstWord = 2s;
constexpr Duration kNextWord = 10s;

}  // namespace

ports::Async<std::string> CheckupPods::sweep(const std::string& owner) {
  const auto pods = co_await context_.env.provider.list();
  if (!pods) co_return fail(pods.error());
  std::string swept;
  for (const Pod& pod : *pods) {
    if (!is_doctor_name_of(pod.name, owner) || pod.status == PodStatus::terminated) continue;
    co_await context_.env.provider.remove(pod.id);
    swept += fmt::format("{}{} ({})", swept.empty() ? "" : ", ", pod.id.str(), pod.name);
  }
  co_return swept;
}

awaitable<std::optional<Pod>> CheckupPods::find(const WorkerId& name) {
  const MonoTime began = context_.env.clock.now();
  while (true) {
    const auto pods = co_await context_.env.provider.list();
    if (pods) {
      const auto found =
          std::find_if(pods->begin(), pods->end(), [&](const Pod& pod) { return pod.name == name.str(); });
      if (found != pods->end()) co_return *found;
    }
    if (context_.env.clock.now() - began >= kFind) co_return std::nullopt;
    co_await context_.env.clock.sleep_for(kLook);
  }
}

/// The provider knows neither the id nor, in its complete list, the name.
awaitable<bool> CheckupPods::is_gone() {
  const auto pods = co_await context_.env.provider.list();
  if (!pods) co_return false;
  for (const Pod& pod : *pods)
    if ((pod.id == pod_ || pod.name == name_->str()) && pod.status != PodStatus::terminated) co_return false;
  if (pod_.empty()) co_return true;
  const auto pod = co_await context_.env.provider.get(pod_);
  co_return pod && (!*pod || (*pod)->status == PodStatus::terminated);
}

ports::Async<std::string> CheckupPods::remove() {
  const MonoTime began = context_.env.clock.now();
  if (pod_.empty()) {
    // Its create got no answer, so a late pod may still show.
    const auto late = co_await find(*name_);
    if (!late) co_return "no pod came of the create";
    pod_ = late->id;
  }
  int deletes = 0, absent = 0;
  while (true) {
    if (absent == 0 && deletes++ % 5 == 0) co_await context_.env.provider.remove(pod_);
    absent = co_await is_gone() ? absent + 1 : 0;
    // The list may lag: twice is what the daemon asks for too.
    if (absent >= 2) co_return fmt::format("pod {} is gone", pod_.str());
    const Duration waited = context_.env.clock.now() - began;
    if (waited >= kGone)
      co_return fail(ErrorKind::timeout, fmt::format("pod {} ({}) is still there {} after its delete",
                                                     pod_.str(), name_->str(), format_duration(waited)));
    wait_for("the pod to be gone", waited, 0);
    co_await context_.env.clock.sleep_for(kLook);
  }
}

void CheckupPods::wait_for(const std::string& what, Duration waited, double price_per_hr) {
  const MonoTime now = context_.env.clock.now();
  if (!waiting_ || waited < kFirstWord || (told_ && now - *told_ < kNextWord)) return;
  told_ = now;
  const double cost = price_per_hr * std::chrono::duration<double>(waited).count() / 3600.0;
  waiting_(fmt::format("waiting for {}, {} so far{}", what, format_duration(waited),
                       cost > 0 ? fmt::format(", {}", format_usd(cost)) : ""));
}

awaitable<void> CheckupPods::announce(std::string what, double price_per_hr) {
  const MonoTime began = context_.env.clock.now();
  const auto state = co_await boost::asio::this_coro::cancellation_state;
  // A sleep that is cut short returns like any other.
  while (state.cancelled() == boost::asio::cancellation_type::none) {
    co_await context_.env.clock.sleep_for(kLook);
    if (state.cancelled() == boost::asio::cancellation_type::none)
      wait_for(what, context_.env.clock.now() - began, price_per_hr);
  }
}

}  // namespace gpuwarden::control
