#include "crash_bundle.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/bootstrap/script.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kMaxOutput = std::size_t{256} * 1024;
constexpr int kLogLines = 100;
constexpr std::string_view kOverSsh = "probe over SSH";

/// One bundle on its way. What is outstanding when the time is up is named; what came until then counts.
struct Bundle {
  Context& context;
  WorkerId worker;
  PodId pod;
  Evidence& evidence;
  MonoTime due;
  std::set<std::string, std::less<>> outstanding{"container log", "system log", "the pod's JSON",
                                                 std::string(kOverSsh)};
  std::string output{};  ///< of the collect command

  void missing(std::string_view what, std::string_view why) {
    evidence.missing.push_back(fmt::format("{}: {}", what, why));
  }
  /// False when the time was up before: what ends by being cut off is no answer.
  bool came(std::string_view what) {
    if (context.env.clock.now() >= due) return false;
    const auto found = outstanding.find(what);
    if (found != outstanding.end()) outstanding.erase(found);
    return true;
  }
};

awaitable<void> collect_log(Bundle& bundle, std::string source) {
  ports::LogQuery query;
  query.pod = bundle.pod;
  query.source = source;
  query.tail = kLogLines;
  const auto log = co_await bundle.context.env.provider.logs(std::move(query));
  const std::string name = source + " log";
  if (!bundle.came(name)) co_return;
  if (!log) {
    bundle.missing(name, log.error().message);
    co_return;
  }
  std::vector<std::string>& lines = bundle.evidence.tails[source];
  for (const PodLogLine& entry : *log) lines.push_back(diagnosis::clean_line(entry.line));
}

awaitable<void> collect_pod(Bundle& bundle) {
  constexpr std::string_view kName = "the pod's JSON";
  const auto pod = co_await bundle.context.env.provider.get(bundle.pod);
  if (!bundle.came(kName)) co_return;
  if (!pod) {
    bundle.missing(kName, pod.error().message);
  } else if (!*pod) {
    bundle.missing(kName, "Runpod does not know the pod any more");
  } else {
    bundle.evidence.pod = facts_of(**pod);
  }
}

awaitable<void> collect_over_ssh(Bundle& bundle) {
  Context& context = bundle.context;
  const Duration limit = context.settings.control.collect_timeout;
  const auto listed = context.pods.find(bundle.pod);
  if (listed == context.pods.end() || !listed->second.ssh) {
    bundle.came(kOverSsh);
    bundle.missing(kOverSsh, "the pod has no SSH endpoint");
    co_return;
  }
  ports::ShellTarget target;
  target.endpoint = *listed->second.ssh;
  target.pin = context.pins[bundle.pod];
  target.timeout = limit * 2 / 5;
  auto session = co_await context.env.shell.connect(std::move(target));
  if (!session) {
    if (bundle.came(kOverSsh)) bundle.missing(kOverSsh, session.error().message);
    co_return;
  }
  ports::ShellCommand command;
  command.command = bootstrap::collect_command(bundle.worker);
  command.timeout = limit / 2;
  command.on_stdout = [&output = bundle.output](std::string_view chunk) {
    output.append(chunk.substr(0, kMaxOutput - std::min(kMaxOutput, output.size())));
  };
  const auto ran = co_await (*session)->run(std::move(command));
  if (bundle.came(kOverSsh) && !ran) bundle.missing(kOverSsh, ran.error().message);
}

/// Cuts "@@ name" sections of the collect script's output; see bootstrap::collect_command. The last one is
/// "end"; where it is another, that one may have been cut off.
void take_sections(std::string_view output, Evidence& evidence) {
  std::string section;
  std::map<std::string, std::vector<std::string>> sections;
  while (!output.empty()) {
    const std::size_t end = std::min(output.find('\n'), output.size());
    const std::string_view line = output.substr(0, end);
    if (line.starts_with("@@ ")) {
      section = std::string(line.substr(3));
      sections.try_emplace(section);
    } else if (!section.empty()) {
      sections[section].push_back(diagnosis::clean_line(line));
    }
    output.remove_prefix(std::min(end + 1, output.size()));
  }
  for (auto& [name, lines] : sections) {
    if (name == "end") continue;
    if (name == "bootstrap" || name == "worker" || name == "status") {
      // A log of which nothing or only the beginning came must not displace what was known before.
      const bool whole = !lines.empty() && name != section;
      if (whole || !evidence.tails.contains(name)) evidence.tails[name] = std::move(lines);
      continue;
    }
    if (name == "missing") {
      for (std::string& line : lines)
        if (!line.empty()) evidence.missing.push_back(std::move(line));
      continue;
    }
    std::string text;
    for (const std::string& line : lines) text.append(line).push_back('\n');
    evidence.probe[name] = std::move(text);
  }
}

}  // namespace

Evidence::PodFacts facts_of(const Pod& pod) {
  Evidence::PodFacts facts;
  facts.status = pod.status_text.empty() ? std::string(to_string(pod.status)) : pod.status_text;
  facts.gpu = pod.gpu;
  facts.data_center = pod.data_center;
  facts.image = pod.image;
  facts.cost_per_hr = pod.cost_per_hr;
  if (pod.uptime) facts.uptime_s = std::chrono::duration<double>(*pod.uptime).count();
  return facts;
}

awaitable<void> collect_bundle(Context& context, WorkerId worker, PodId pod, Evidence& evidence) {
  using namespace boost::asio::experimental::awaitable_operators;
  const Duration limit = context.settings.control.collect_timeout;
  Bundle bundle{context, std::move(worker), std::move(pod), evidence, context.env.clock.now() + limit};
  const auto everything = [&]() -> awaitable<void> {
    co_await (collect_log(bundle, "container") && collect_log(bundle, "system") && collect_pod(bundle) &&
              collect_over_ssh(bundle));
  };
  co_await (everything() || context.env.clock.sleep_for(limit));
  co_await context.turns.next();
  take_sections(bundle.output, evidence);
  for (const std::string& name : bundle.outstanding)
    bundle.missing(name,
                   fmt::format("it had not come when the time for it was up ({})", format_duration(limit)));
}

}  // namespace gpuwarden::control
