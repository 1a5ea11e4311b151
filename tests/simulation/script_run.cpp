#include "simulation/script_run.hpp"

#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::simulation {
namespace {

using bootstrap::StatusLine;
using std::chrono::seconds;

constexpr Duration kHardly{50};
constexpr std::size_t kKept = 30;

nlohmann::json step_report(const StatusLine& line) {
  static constexpr const char* kEvents[]{"begin", "end", "fail"};
  nlohmann::json report{{"kind", "step"},
                        {"step", to_string(line.step)},
                        {"event", kEvents[static_cast<std::size_t>(line.event)]},
                        {"t", line.time},
                        {"tail", line.tail}};
  if (line.exit_code) report["exit"] = *line.exit_code;
  if (!line.signal.empty()) report["signal"] = line.signal;
  if (!line.check.empty()) report["check"] = line.check;
  if (!line.commit.empty()) report["commit"] = line.commit;
  return report;
}

}  // namespace

ScriptRun::ScriptRun(Container& container, LaunchPayload payload)
    : container_(container), payload_(std::move(payload)), courier_(*this), agent_(*this) {}

void ScriptRun::keep(std::deque<std::string>& lines, std::string line) {
  if (lines.size() == kKept) lines.pop_front();
  lines.push_back(std::move(line));
}

void ScriptRun::line_due(Duration in) {
  next_line_ = container_.world().now() + in;
}

Reply ScriptRun::report(const nlohmann::json& report) {
  return container_.call(
      "gpuwarden_worker_report",
      {{"worker_id_param", payload_.worker}, {"token_param", payload_.token}, {"report_param", report}});
}

void ScriptRun::tell(BootStep step, Event event, FailureWords words, bool report) {
  StatusLine line;
  line.worker = payload_.worker;
  line.step = step;
  line.event = event;
  line.time = format_time_ms(container_.world().scheduler.wall());
  line.exit_code = words.exit_code;
  line.signal = std::move(words.signal);
  line.check = std::move(words.check);
  line.tail = std::move(words.tail);
  if (step == BootStep::fetch && event == Event::end)
    line.commit = "3f0b8a7e1c2d4e5f8a9b0c1d2e3f4a5b6c7d8e9f";
  if (event == Event::fail || (step == BootStep::start && event == Event::end)) over_ = true;
  const std::string text = format_status_line(line);
  status_ += text;
  status_ += '\n';
  log(text);
  container_.say(text);
  if (report) courier_.spool(step_report(line));
}

void ScriptRun::begin(BootStep step) {
  step_ = step;
  tell(step, Event::begin);
}

void ScriptRun::end(BootStep step) {
  FailureWords words;
  words.exit_code = 0;
  tell(step, Event::end, std::move(words));
}

void ScriptRun::fail(BootStep step, FailureWords words) {
  container_.world().probes.reached(fmt::format("script: {} fails", to_string(step)));
  tell(step, Event::fail, std::move(words));
  agent_.begin(false);
}

void ScriptRun::fail_later(BootStep step, FailureCause cause) {
  after(container_.pod().fate.strikes_after, [this, step, cause] {
    FailureWords words = failure_words(cause, container_.random());
    if (step != BootStep::preflight) {
      for (const std::string& line : words.tail) log(line);
    }
    container_.machine_says(words.system, words.nvidia_smi);
    fail(step, std::move(words));
  });
}

void ScriptRun::start() {
  after(kHardly, [this] { preflight(); });
}

void ScriptRun::preflight() {
  begin(BootStep::preflight);
  using enum FailureCause;
  for (const FailureCause cause : {preflight_gpu, preflight_memory, preflight_disk, preflight_mount}) {
    if (fails_with(cause)) return fail_later(BootStep::preflight, cause);
  }
  if (fails_with(preflight_network)) container_.network_down(std::chrono::hours(24));
  after(container_.pod().fate.preflight, [this] { ping(1); });
}

void ScriptRun::ping(int attempt) {
  using enum FailureCause;
  if (fails_with(preflight_credentials)) {
    return fail(BootStep::preflight, failure_words(preflight_credentials, container_.random()));
  }
  const Reply reply = report({{"kind", "ping"}});
  if (reply.ok()) {
    agent_.heard(reply.answer);
    end(BootStep::preflight);
    return after(kHardly, [this] { fetch(); });
  }
  if (!reply.refusal.empty()) {
    return fail(BootStep::preflight,
                {1,
                 "",
                 "credentials",
                 {"preflight: credentials: Supabase refuses this worker's key or token: " + reply.words},
                 {},
                 ""});
  }
  constexpr int kAttempts = 4;
  if (attempt == kAttempts) {
    return fail(BootStep::preflight, failure_words(preflight_network, container_.random()));
  }
  after(seconds(attempt * attempt), [this, attempt] { ping(attempt + 1); });
}

void ScriptRun::fetch() {
  begin(BootStep::fetch);
  if (fails_with(FailureCause::fetch_failed)) return fail_later(BootStep::fetch, FailureCause::fetch_failed);
  after(container_.pod().fate.fetch, [this] {
    end(BootStep::fetch);
    after(kHardly, [this] { setup(); });
  });
}

void ScriptRun::setup() {
  begin(BootStep::setup);
  if (fails_with(FailureCause::setup_failed)) return fail_later(BootStep::setup, FailureCause::setup_failed);
  if (fails_with(FailureCause::bootstrap_timeout)) {
    container_.world().probes.reached("script: setup never ends");
    return;
  }
  after(container_.pod().fate.setup, [this] {
    end(BootStep::setup);
    after(kHardly, [this] { last_step(); });
  });
}

void ScriptRun::last_step() {
  begin(BootStep::start);
  // The report of this step is the last that the database hears.
  if (fails_with(FailureCause::first_heartbeat_timeout)) {
    container_.after(seconds(1), [this] { container_.network_down(std::chrono::hours(24)); });
  }
  agent_.begin(true);
}

void ScriptRun::disappeared() {
  if (std::exchange(disappeared_, true)) return;
  FailureWords words;
  words.exit_code = 1;
  words.tail = {bootstrap_log_.begin(), bootstrap_log_.end()};
  words.tail.emplace_back("the startup script has disappeared from the pod");
  tell(step_, Event::fail, std::move(words), false);
}

}  // namespace gpuwarden::simulation
