#include "notify.hpp"

#include <cstdint>
#include <utility>

#include <systemd/sd-daemon.h>

namespace gpuwarden::app {
namespace {

constexpr Duration kExtendEvery = std::chrono::seconds(5);

}  // namespace

Notify::Notify(const ports::Clock& clock) : clock_(clock) {
  std::uint64_t interval_us = 0;
  if (sd_watchdog_enabled(0, &interval_us) > 0)
    watchdog_every_ = std::chrono::duration_cast<Duration>(std::chrono::microseconds(interval_us)) / 4;
}

bool Notify::due(std::optional<MonoTime>& last, Duration every) {
  const MonoTime now = clock_.now();
  if (last && now - *last < every) return false;
  last = now;
  return true;
}

void Notify::ready() {
  if (!std::exchange(ready_, true)) sd_notify(0, "READY=1");
}

void Notify::alive() {
  if (watchdog_every_ > Duration{0} && due(fed_, watchdog_every_)) sd_notify(0, "WATCHDOG=1");
}

void Notify::stopping() {
  if (!std::exchange(stopping_, true)) sd_notify(0, "STOPPING=1");
}

void Notify::extend_stop() {
  if (due(extended_, kExtendEvery)) sd_notify(0, "EXTEND_TIMEOUT_USEC=60000000");
}

}  // namespace gpuwarden::app
