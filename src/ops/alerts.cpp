#include "gpuwarden/ops/alerts.hpp"

#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/error.hpp"
#include "gpuwarden/base/format.hpp"
#include "gpuwarden/domain/breaker.hpp"
#include "gpuwarden/domain/failure_cause.hpp"

namespace gpuwarden::ops {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReminder = 1h;  // of the same failure or gate
constexpr Duration kOutageIsNews = 2min;

std::string field(const ports::LogFields& fields, std::string_view name) {
  for (const auto& [key, value] : fields) {
    if (key == name) return value;
  }
  return {};
}

Alert make(std::string event, std::string text, WallTime at) {
  Alert alert;
  alert.event = std::move(event);
  alert.text = std::move(text);
  alert.at = at;
  return alert;
}

Alert breaker_alert(bool open, const std::string& reason, WallTime at) {
  Alert alert = open ? make("breaker_opened", "The breaker is open: no pods are created but probes.", at)
                     : make("breaker_closed", "The breaker is closed: pods are created again.", at);
  alert.evidence = reason;
  if (open)
    alert.advice = "See what the workers die of: gpuwarden report. It closes by itself once that is mended";
  return alert;
}

}  // namespace

std::optional<Alert> AlertRules::limited(const std::string& key, Duration pause, Alert alert, MonoTime now) {
  const auto known = told_.find(key);
  if (known != told_.end() && now - known->second.last < known->second.pause) {
    ++known->second.held_back;
    known->second.newest = std::move(alert);
    return std::nullopt;
  }
  alert.more = known == told_.end() ? 0 : known->second.held_back;
  told_[key] = {now, pause, 0, {}};
  return alert;
}

std::optional<Alert> AlertRules::of_failure(std::string_view message, const ports::LogFields& fields,
                                            MonoTime now, WallTime at) {
  const std::string name = field(fields, "cause");
  const auto cause = parse_failure_cause(name);
  if (cause && !facts(*cause).counts_for_breaker) return std::nullopt;  // nobody's fault, nothing to mend
  Alert alert = make("worker_failed",
                     fmt::format("Worker {} failed, {}: {}.", field(fields, "worker"), name, message), at);
  alert.worker = field(fields, "worker");
  alert.cause = name;
  alert.evidence = field(fields, "evidence");
  alert.advice = field(fields, "advice");
  std::string key = "failure/" + name;
  if (cause == FailureCause::insufficient_balance) {
    alert.event = "balance_too_low";
    alert.text = "Runpod says that the balance is too low: no pods are created.";
  } else if (cause == FailureCause::unauthorized) {
    alert.event = "unauthorized";
    alert.text = "Runpod refuses RUNPOD_API_KEY: no pods are created.";
    key = "unauthorized/runpod";
  } else {
    key += "/" + field(fields, "fingerprint");
  }
  return limited(key, kReminder, std::move(alert), now);
}

std::optional<Alert> AlertRules::of_gate(std::string_view reason, const ports::LogFields& fields,
                                         MonoTime now, WallTime at) {
  const std::string gate = field(fields, "gate");
  if (gate == "database") {
    outages_.try_emplace("database",
                         Outage{now, "The database", "answers reads only", std::string(reason), false});
    return std::nullopt;
  }
  Alert alert;
  if (gate == "undeletable") {
    alert = make("undeletable_pod", fmt::format("Pods cannot be deleted and go on billing: {}.", reason), at);
    alert.advice = "Delete them in the Runpod console";
  } else if (gate == "budget") {
    alert = make("cost_limit", fmt::format("A cost limit holds the fleet back: {}.", reason), at);
    alert.advice =
        "Nothing, or raise MAX_HOURLY_COST_USD or MAX_DAILY_COST_USD, then: systemctl reload gpuwarden";
  } else if (gate == "over_budget") {
    alert = make("cost_limit_passed", fmt::format("A cost limit is passed: {}.", reason), at);
    alert.advice =
        "See gpuwarden status for the prices; raise MAX_HOURLY_COST_USD or MAX_DAILY_COST_USD if that is "
        "meant, "
        "then: systemctl reload gpuwarden";
  } else if (gate == "rejected") {
    alert = make("request_rejected", fmt::format("No pod can be created: {}.", reason), at);
    alert.advice =
        "Mend what the answer names: gpuwarden config --explain shows every setting of the pods, gpuwarden "
        "doctor checks them";
  } else {
    return std::nullopt;
  }
  alert.evidence = std::string(reason);
  return limited("gate/" + gate, kReminder, std::move(alert), now);
}

std::optional<Alert> AlertRules::of_lost(const ports::LogFields& fields, MonoTime now, WallTime at) {
  const std::string service = field(fields, "service");
  const std::string error = field(fields, "error");
  const bool runpod = service == "runpod";
  Outage outage{now, runpod ? "Runpod's pod list" : "Supabase", "cannot be read", error, false};
  std::optional<Alert> alert;
  if (field(fields, "kind") == to_string(ErrorKind::unauthorized)) {
    const std::string key = runpod ? "RUNPOD_API_KEY" : "SUPABASE_SECRET_KEY";
    alert = make("unauthorized",
                 fmt::format("{} refuses {}: nothing is done until it is replaced.",
                             runpod ? "Runpod" : "Supabase", key),
                 at);
    alert->evidence = error;
    alert->advice = fmt::format("Set a valid {}, then: systemctl restart gpuwarden", key);
    outage.told = true;
    alert = limited("unauthorized/" + service, kReminder, std::move(*alert), now);
  }
  outages_[service] = std::move(outage);
  return alert;
}

std::optional<Alert> AlertRules::of_back(const std::string& service, MonoTime now, WallTime at) {
  const auto outage = outages_.find(service);
  if (outage == outages_.end()) return std::nullopt;
  const Outage was = std::move(outage->second);
  outages_.erase(outage);
  if (!was.told) return std::nullopt;
  return make("service_back",
              fmt::format("{} is back after {}: work goes on.", was.what, format_duration(now - was.since)),
              at);
}

std::optional<Alert> AlertRules::of(ports::LogLevel level, std::string_view event, std::string_view message,
                                    const ports::LogFields& fields, MonoTime now, WallTime at) {
  // The crash bundle may name another cause than the first look.
  if (event == "worker_failed" || event == "cause_sharpened") return of_failure(message, fields, now, at);
  if (event == "held_back") return of_gate(message, fields, now, at);
  if (event == "source_lost") return of_lost(fields, now, at);
  if (event == "source_back") return of_back(field(fields, "service"), now, at);
  if (event == "released" && field(fields, "gate") == "database") return of_back("database", now, at);
  if (event == "save_breaker" && level == ports::LogLevel::info) {
    const auto says = [&](BreakerState state) {
      return message == fmt::format("breaker {}", to_string(state));
    };
    Alert alert = breaker_alert(!says(BreakerState::closed), field(fields, "reason"), at);
    if (says(BreakerState::open)) {
      if (breaker_) {
        breaker_->told = std::move(alert);  // a failed canary is no news, but the newest reason
        return std::nullopt;
      }
      breaker_ = OpenBreaker{alert, now, now};
      return alert;
    }
    if (says(BreakerState::closed)) {
      breaker_.reset();
      return alert;
    }
  }
  return std::nullopt;
}

std::vector<Alert> AlertRules::due(MonoTime now, WallTime at) {
  std::vector<Alert> alerts;
  for (auto& [service, outage] : outages_) {
    if (outage.told || now - outage.since < kOutageIsNews) continue;
    outage.told = true;
    Alert alert = make("service_unreadable",
                       fmt::format("{} {}, for {} now: nothing is created, deleted or judged meanwhile.",
                                   outage.what, outage.trouble, format_duration(now - outage.since)),
                       at);
    alert.evidence = outage.error;
    alert.advice = "gpuwarden doctor";
    alerts.push_back(std::move(alert));
  }
  if (breaker_ && now - breaker_->last >= kReminder) {
    breaker_->last = now;
    Alert alert = breaker_->told;
    alert.text = fmt::format("The breaker has not closed for {}: no pods are created but probes.",
                             format_duration(now - breaker_->since));
    alert.at = at;
    alerts.push_back(std::move(alert));
  }
  for (auto told = told_.begin(); told != told_.end();) {
    Told& entry = told->second;
    if (now - entry.last < entry.pause) {
      ++told;
    } else if (entry.held_back == 0) {
      told = told_.erase(told);
    } else {
      Alert alert = std::move(entry.newest);
      alert.more = entry.held_back - 1;
      alerts.push_back(std::move(alert));
      entry = {now, entry.pause, 0, {}};
      ++told;
    }
  }
  return alerts;
}

}  // namespace gpuwarden::ops
