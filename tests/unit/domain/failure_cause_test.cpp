#include "gpuwarden/domain/failure_cause.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace gpuwarden {
namespace {

/// The closed list, by where in life a cause happens; other tools rely on these names.
const std::map<std::string, std::set<std::string>> kClosedList{
    {"provision",
     {"no_capacity", "insufficient_balance", "invalid_request", "unauthorized", "image_pull_failed",
      "provision_timeout", "pod_exited", "pod_error", "pod_vanished"}},
    {"connect", {"ssh_unreachable", "ssh_auth_failed", "ssh_host_key_mismatch"}},
    {"bootstrap",
     {"preflight_gpu", "preflight_memory", "preflight_disk", "preflight_mount", "preflight_network",
      "preflight_credentials", "fetch_failed", "setup_failed", "start_failed", "bootstrap_timeout",
      "first_heartbeat_timeout"}},
    {"runtime",
     {"worker_crashed", "out_of_memory", "gpu_error", "disk_full", "heartbeat_lost", "task_stuck",
      "spot_reclaimed"}},
};

TEST(FailureCauses, AreTheClosedListAndUnclassified) {
  std::map<std::string, std::set<std::string>> found;
  std::size_t count = 0;
  for (const CauseFacts& about : all_causes()) {
    if (about.cause == FailureCause::unclassified) continue;
    found[std::string(about.life)].insert(std::string(about.name));
    ++count;
  }
  EXPECT_EQ(found, kClosedList);
  EXPECT_EQ(count, 30U);
  EXPECT_EQ(all_causes().size(), 31U);
  EXPECT_EQ(to_string(FailureCause::unclassified), "unclassified");
}

TEST(FailureCauses, HaveTheirOwnNameOnce) {
  std::set<std::string_view> names;
  for (const CauseFacts& about : all_causes()) {
    EXPECT_TRUE(names.insert(about.name).second) << about.name;
    EXPECT_EQ(parse_failure_cause(about.name), about.cause);
    EXPECT_EQ(facts(about.cause).name, about.name);
    EXPECT_TRUE(std::all_of(about.name.begin(), about.name.end(),
                            [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); }));
  }
}

TEST(FailureCauses, CountForTheBreakerButForCapacityAndSpot) {
  for (const CauseFacts& about : all_causes()) {
    const bool uncounted =
        about.cause == FailureCause::no_capacity || about.cause == FailureCause::spot_reclaimed;
    EXPECT_EQ(about.counts_for_breaker, !uncounted) << about.name;
  }
}

TEST(FailureCauses, TellTheOperatorWhatToDoInOneLine) {
  std::set<std::string_view> advice;
  for (const CauseFacts& about : all_causes()) {
    EXPECT_GT(about.advice.size(), 20U) << about.name;
    EXPECT_EQ(about.advice.find('\n'), std::string_view::npos) << about.name;
    EXPECT_TRUE(advice.insert(about.advice).second) << about.name << " has another cause's advice";
    EXPECT_TRUE(about.advice.find("`gpuwarden ") != std::string_view::npos ||
                about.advice.find("`systemctl reload gpuwarden`") != std::string_view::npos)
        << about.name << " names no command to type";
  }
}

TEST(FailureCauses, AreNotGuessedFromOtherNames) {
  for (const char* name : {"", "oom", "No_Capacity", "no_capacity ", "no_capacity*"}) {
    EXPECT_FALSE(parse_failure_cause(name).has_value()) << name;
  }
}

TEST(FailureScopes, HaveAName) {
  std::set<std::string_view> names;
  for (const FailureScope scope :
       {FailureScope::request, FailureScope::placement, FailureScope::image_and_script, FailureScope::host,
        FailureScope::network, FailureScope::database}) {
    names.insert(to_string(scope));
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"request", "placement", "image_and_script", "host", "network",
                                               "database"}));
}

}  // namespace
}  // namespace gpuwarden
