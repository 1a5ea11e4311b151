#include "integration/sql/model_calls.hpp"

#include <utility>

#include <fmt/format.h>

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

const std::vector<std::string> kStatuses{"spawning", "active", "terminating", "error", "terminated"};
const std::vector<std::string> kCauses{"gpu_error", "oom", "heartbeat_lost"};

std::string token_of(const std::string& worker) {
  return "token of " + worker;
}

}  // namespace

void Sequence::snapshot() {
  const auto whose = owner();
  Json arguments{{"owner_param", whose}};
  if (!chance(0.05)) arguments["holder_param"] = any({"first", "first", "first", "second", ""});
  if (!chance(0.1)) arguments["lease_sec_param"] = random_.between(10, 41);
  if (!chance(0.05)) arguments["options_param"] = options();
  call("gpuwarden_snapshot", std::move(arguments));
}

Json Sequence::options() {
  Json out = Json::object();
  if (chance(0.7)) out["failure_window_sec"] = random_.between(1, 7200);
  if (chance(0.3)) out["task_max_attempts"] = random_.between(1, 4);
  if (chance(0.3)) out["pod_lease_sec"] = static_cast<double>(random_.between(600, 7200)) / 2;
  if (chance(0.7)) out["orphan_task_sec"] = random_.between(1, 1800);
  if (chance(0.7)) out["api_task_sec"] = random_.between(1, 1800);
  if (chance(0.7)) out["inactive_task_sec"] = random_.between(1, 3600);
  if (chance(0.6)) out["rescue_exempt"] = {"*_orchestrator*", chance(0.5) ? "vide?" : "im%ge"};
  if (chance(0.5)) out["beacon"] = chance(0.1) ? "" : fmt::format("beacon {}", steps_.size());
  return out;
}

Json Sequence::details() {
  Json out{{"gpu", any({"RTX 4090", "A40"})},
           {"data_center", any({"EU-RO-1", "US-KS-2"})},
           {"volume_id", nullptr},
           {"cloud", "SECURE"},
           {"image", "image:1"},
           {"script_hash", any({"abc", "def"})},
           {"generation", random_.between(1, 5)},
           {"canary", chance(0.2)},
           {"cost_per_hr", static_cast<double>(random_.between(20, 90)) / 100}};
  if (chance(0.2)) out["volume_id"] = out["volume_name"] = "volume";
  if (chance(0.05)) out["cost_per_hr"] = "cheap";
  if (chance(0.05)) out["canary"] = any({"yes", "off", "o", "1", "truer"});
  if (chance(0.05)) out.erase("generation");
  return out;
}

Json Sequence::change() {
  Json out = Json::object();
  if (chance(0.6))
    out["status"] =
        chance(0.05) ? "asleep" : any({"spawning", "active", "active", "terminating", "error", "terminated"});
  if (chance(0.6))
    out["phase"] = any({"intent", "unknown", "provisioning", "starting", "connecting", "bootstrapping",
                        "awaiting_heartbeat", "draining", "deleting", "collecting", "strange"});
  if (chance(0.3)) out["step"] = chance(0.2) ? Json(nullptr) : Json(any({"setup", "start"}));
  if (chance(0.4)) out["pod_id"] = fmt::format("pod-{}", steps_.size());
  if (chance(0.2))
    out["cost_per_hr"] =
        chance(0.1) ? Json("dear") : Json(static_cast<double>(random_.between(20, 90)) / 100);
  if (chance(0.1)) out["drain_reason"] = "surplus";
  if (chance(0.1)) out["end_reason"] = "done with it";
  if (chance(0.3)) out["success"] = chance(0.1) ? Json("maybe") : Json(chance(0.8));
  return out;
}

Json Sequence::failure() {
  Json out{{"cause", any(kCauses)},
           {"summary", "it died"},
           {"evidence_line", any({"the line", ""})},
           {"fingerprint", any({"fp1", "fp2", ""})},
           {"phase", "busy"},
           {"scope", "host"},
           {"counts", chance(0.8)},
           {"advice", "look"},
           {"evidence", {{any({"exit_code", "signal"}), random_.between(1, 9)}}},
           {"pod_id", nullptr},
           {"cost_usd", static_cast<double>(random_.between(0, 100)) / 100},
           {"generation", random_.between(1, 5)},
           {"task_max_attempts", random_.between(1, 4)},
           {"outcome", chance(0.8)},
           {"expected", Json::array()}};
  if (chance(0.3)) out["evidence"]["heartbeat_age_s"] = chance(0.2) ? Json(nullptr) : Json(300.5);
  if (chance(0.3)) out["expected"] = {any(kStatuses), any(kStatuses)};
  if (chance(0.5)) out["request_id"] = any({"call-1", "call-2", ""});
  for (const char* key :
       {"summary", "fingerprint", "counts", "generation", "task_max_attempts", "outcome", "expected"})
    if (chance(0.04)) out.erase(key);
  if (chance(0.02)) out["cause"] = nullptr;
  if (chance(0.06)) out["evidence"] = nullptr;
  if (chance(0.03)) out["task_max_attempts"] = "few";
  return out;
}

void Sequence::daemon_call() {
  const auto whose = owner();
  const auto kind = random_.between(0, 15);
  Json arguments{{"owner_param", whose}, {"epoch_param", epoch(whose)}};
  if (kind < 3) {
    const auto id = chance(0.1) ? worker(whose) : fmt::format("gpu-{}-{}", whose, workers_.size());
    workers_.push_back(id);
    arguments.update({{"worker_id_param", id}, {"details_param", details()}});
    const auto answer = call("gpuwarden_register_worker", arguments);
    if (!answer.value("done", false) || chance(0.1)) return;
    arguments.erase("details_param");
    arguments.update({{"expected_param", {"spawning"}},
                      {"change_param",
                       {{"token_sha256", chance(0.02) ? "no hex" : sha256_hex(token_of(id))},
                        {"pod_id", "pod of " + id},
                        {"phase", "provisioning"}}}});
    call("gpuwarden_update_worker", arguments);
    return;
  }
  if (kind < 8) {
    arguments["worker_id_param"] = worker(whose);
    arguments["change_param"] = change();
    Json expected = Json::array();
    for (const auto& status : kStatuses)
      if (chance(status == "terminated" ? 0.1 : 0.6)) expected.push_back(status);
    arguments["expected_param"] = expected;
    call("gpuwarden_update_worker", std::move(arguments));
  } else if (kind < 11) {
    arguments["worker_id_param"] = worker(whose);
    arguments["failure_param"] = failure();
    call(kind < 10 ? "gpuwarden_fail_worker" : "gpuwarden_add_evidence", arguments);
    if (chance(0.3)) call("gpuwarden_fail_worker", std::move(arguments));
  } else if (kind < 13) {
    arguments["options_param"] = options();
    call("gpuwarden_rescue_tasks", std::move(arguments));
  } else if (kind < 15) {
    const auto key = any({"breaker", "breaker", "breaker", "breaker_override", "switches", "note"});
    arguments["key_param"] = key;
    arguments["value_param"] = state_value(key);
    call("gpuwarden_save_state", std::move(arguments));
  } else {
    arguments["holder_param"] = any({"first", "second"});
    call("gpuwarden_resign", std::move(arguments));
  }
}

Json Sequence::state_value(const std::string& key) {
  if (key == "breaker") {
    Json out{{"state", any({"closed", "open", "half_open"})},
             {"generation", random_.between(1, 4)},
             {"pause_s", 60},
             {"reason", "why"},
             {"state_age_s", 5}};
    if (chance(0.1)) out.erase("generation");
    return out;
  }
  if (key == "breaker_override") {
    Json out{{"kind", any({"hold", "release"})}, {"actor", "somebody"}};
    if (chance(0.7))
      out["expires_at"] = simulation::sql::timestamptz(now_ + Duration(random_.between(-100000, 900000)));
    return out;
  }
  if (key == "switches")
    return {{"paused", chance(0.5)},
            {"paused_by", "somebody"},
            {"pause_reason", chance(0.5) ? Json("x") : Json(nullptr)}};
  return chance(0.5) ? Json("a scalar") : Json::array({"state_age_s", 1, nullptr});
}

Json Sequence::tail() {
  Json lines = Json::array();
  const auto count = chance(0.3) ? random_.between(90, 130) : random_.between(0, 5);
  const auto length =
      static_cast<std::size_t>(chance(0.3) ? random_.between(100, 1600) : random_.between(0, 20));
  for (std::int64_t i = 0; i < count; ++i) {
    lines.push_back(fmt::format("{} \"{}\" \t\x02 Zeile \xC3\xBC", i, std::string(length, 'x')));
    if (chance(0.02)) lines.push_back(nullptr);
    if (chance(0.02)) lines.push_back({{"a", {1, "b"}}});
  }
  if (chance(0.05)) lines.push_back(nullptr);
  return lines;
}

Json Sequence::report() {
  const auto kind = random_.between(0, 9);
  if (kind < 5) {
    Json out{
        {"kind", "heartbeat"}, {"vram_total_mb", 24564}, {"vram_used_mb", random_.between(0, 49128) / 2.0}};
    if (chance(0.5)) out["disk_free_mb"] = chance(0.2) ? Json("much") : Json(random_.between(-10, 100000));
    if (chance(0.5)) out["uptime_s"] = static_cast<double>(random_.between(0, 100000)) / 8;
    if (chance(0.05)) out["vram_total_mb"] = 1e18;
    if (chance(0.02)) out["more"] = std::string(70000, 'x');
    return out;
  }
  if (kind < 8) {
    Json out{{"kind", "step"},
             {"step", any({"preflight", "fetch", "setup", "start", "dance"})},
             {"event", any({"begin", "begin", "end", "fail"})}};
    if (chance(0.3)) out["commit"] = std::string(70, 'c');
    if (chance(0.3)) out["exit"] = chance(0.2) ? Json(std::string(101, 'e')) : Json(3);
    if (chance(0.3)) out["check"] = "disk";
    if (chance(0.7)) out["tail"] = chance(0.1) ? Json("no list") : tail();
    return out;
  }
  if (kind < 9)
    return {
        {"kind", "crash"}, {"exit_code", 137}, {"ran_s", 12.5}, {"signal", Json::array()}, {"tail", tail()}};
  return chance(0.5) ? Json(nullptr) : Json{{"kind", chance(0.5) ? Json("novel") : Json(3)}};
}

void Sequence::pod_call() {
  const auto id = worker();
  Json arguments{{"worker_id_param", id}, {"token_param", chance(0.02) ? "wrong" : token_of(id)}};
  const auto kind = random_.between(0, 9);
  if (kind < 4) {
    arguments["report_param"] = report();
    call("gpuwarden_worker_report", std::move(arguments));
  } else if (kind < 7 || held_.empty()) {
    const auto claimed = call("gpuwarden_claim_task", std::move(arguments));
    if (claimed.is_object() && claimed.contains("attempt"))
      held_.push_back({id, claimed.at("id"), claimed.at("attempt")});
  } else {
    // Mostly the newest, so that most are still held; repeats and late ones come by themselves.
    const auto most = static_cast<std::int64_t>(held_.size()) - 1;
    const auto& holding = held_[static_cast<std::size_t>(
        chance(0.7) ? std::max<std::int64_t>(0, most - random_.between(0, 3)) : random_.between(0, most))];
    if (!chance(0.05))
      arguments = {{"worker_id_param", holding.worker}, {"token_param", token_of(holding.worker)}};
    arguments["task_id_param"] = holding.task;
    arguments["attempt_param"] = holding.attempt + (chance(0.05) ? 1 : 0);
    if (kind == 7) {
      if (chance(0.7)) arguments["error_param"] = chance(0.1) ? std::string(5000, 'e') : "it broke \xC3\xBC";
      call("gpuwarden_fail_task", std::move(arguments));
    } else {
      if (chance(0.7)) arguments["result_param"] = {{"url", "x"}};
      call("gpuwarden_complete_task", std::move(arguments));
    }
  }
}

void Sequence::operator_call() {
  Json arguments{{"owner_param", owner()},
                 {"command_param", chance(0.03) ? "dance"
                                                : any({"pause", "resume", "breaker_hold", "breaker_release",
                                                       "breaker_clear", "breaker_reset"})},
                 {"actor_param", chance(0.05) ? " " : " somebody "},
                 {"reason_param", chance(0.1) ? "" : "because"}};
  const auto& command = arguments["command_param"];
  if (chance(command == "breaker_hold" || command == "breaker_release" ? 0.6 : 0.03))
    arguments["ttl_sec_param"] = random_.between(chance(0.1) ? -1 : 1, 600);
  call("gpuwarden_operator", std::move(arguments));
}

void Sequence::legacy_call() {
  const auto id = chance(0.6) ? any({"old-1", "old-2", "old-3"}) : worker();
  switch (random_.between(0, 3)) {
    case 0: {
      const auto claimed = call("func_claim_available_task", {{"worker_id_param", id}});
      if (claimed.is_array() && !claimed.empty()) held_.push_back({id, claimed[0].at("id"), 1});
      break;
    }
    case 1:
      call("func_update_worker_heartbeat",
           chance(0.5)
               ? Json{{"worker_id_param", id}}
               : Json{{"worker_id_param", id}, {"vram_total_mb_param", 80000}, {"vram_used_mb_param", 7}});
      break;
    case 2:
      call("func_mark_task_complete",
           {{"task_id_param", held_.empty() || chance(0.7) ? task() : held_.back().task}});
      break;
    default:
      call("func_mark_task_failed", {{"task_id_param", task()},
                                     {"error_message_param", chance(0.1) ? Json(nullptr) : Json("broken")}});
      break;
  }
}

}  // namespace gpuwarden::test
