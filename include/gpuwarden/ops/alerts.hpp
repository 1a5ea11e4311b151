#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/ports/log.hpp"

namespace gpuwarden::ops {

/// Something that a human should know now.
struct Alert {
  std::string event;  ///< breaker_opened, breaker_closed, worker_failed, balance_too_low, unauthorized,
                      ///< service_unreadable, service_back, undeletable_pod, cost_limit
  std::string text;   ///< one sentence for people, without the parts below
  std::string worker, cause, evidence, advice;
  WallTime at{};
  int more{0};  ///< how many like it were held back since the last one that was told
};

/// Chooses the few log lines that are worth an alert. One a fingerprint and change of state,
/// not one a pod; while alike ones go on, a reminder each hour with their number; an unreadable service only
/// after two minutes, then its recovery.
class AlertRules {
 public:
  std::optional<Alert> of(ports::LogLevel level, std::string_view event, std::string_view message,
                          const ports::LogFields& fields, MonoTime now, WallTime at);
  /// What has become due by the passing of time alone: call it every few seconds.
  std::vector<Alert> due(MonoTime now, WallTime at);

 private:
  struct Told {
    MonoTime last{};
    Duration pause{};
    int held_back{0};
    Alert newest;  ///< of those held back
  };
  struct Outage {
    MonoTime since{};
    std::string what, trouble;  ///< "Supabase", "cannot be read"
    std::string error;
    bool told{false};
  };

  std::optional<Alert> limited(const std::string& key, Duration pause, Alert alert, MonoTime now);
  std::optional<Alert> of_failure(std::string_view message, const ports::LogFields& fields, MonoTime now,
                                  WallTime at);
  std::optional<Alert> of_gate(std::string_view reason, const ports::LogFields& fields, MonoTime now,
                               WallTime at);
  std::optional<Alert> of_lost(const ports::LogFields& fields, MonoTime now, WallTime at);
  std::optional<Alert> of_back(const std::string& service, MonoTime now, WallTime at);

  std::map<std::string, Told> told_;
  std::map<std::string, Outage> outages_;  ///< by service
  /// Set while the breaker is open: what was told, for the reminders.
  struct OpenBreaker {
    Alert told;
    MonoTime since{}, last{};
  };
  std::optional<OpenBreaker> breaker_;
};

/// The message for the webhook: `text` and `content` hold the same sentence, so that Slack, Mattermost and
/// Discord all show it, and it calls nobody by name; beside it event, owner, worker, cause, evidence, advice,
/// time and more.
std::string alert_json(const Alert& alert, std::string_view owner, const Redactor& redactor);

}  // namespace gpuwarden::ops
