#include "gpuwarden/diagnosis/report_document.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "report_parts.hpp"

namespace gpuwarden::diagnosis {
namespace {

using Kind = Block::Kind;

Block paragraph(std::string_view text) {
  return {Kind::paragraph, {}, {printable(text)}, {}};
}
Block heading(std::string_view text) {
  return {Kind::heading, {}, {printable(text)}, {}};
}
Block item(std::string label, std::string_view text) {
  return {Kind::item, std::move(label), {printable(text)}, {}};
}
Block literal(const std::vector<std::string>& lines) {
  Block block{Kind::literal, {}, {}, {}};
  for (const std::string& line : lines) block.lines.push_back(printable(line));
  return block;
}
void add_steps(const std::vector<Step>& steps, std::vector<Block>& blocks) {
  for (const Step& step : steps) {
    blocks.push_back({Kind::step, {}, {printable(step.text)}, {}});
    if (!step.commands.empty()) blocks.push_back(literal(step.commands));
  }
}

std::string upper(std::string_view word) {
  std::string out(word);
  for (char& c : out) c = c == '_' ? ' ' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

Section state_of(const IncidentReport& report) {
  Section section{"Current State", {}};
  const std::string window = format_duration(report.window);
  section.blocks.push_back(
      item("Failure rate", report.starts == 0
                               ? fmt::format("no start ended in the last {}", window)
                               : fmt::format("{} % ({} of {} in the last {} failed)",
                                             (report.failed_starts * 100 + report.starts / 2) / report.starts,
                                             report.failed_starts, many(report.starts, "start"), window)));
  section.blocks.push_back(
      item("Scaling", fmt::format("{}: {}", upper(to_string(report.scaling)), report.scaling_why)));
  section.blocks.push_back(
      item("Active workers", fmt::format("{} ({} starting, {} ending)", report.live.active,
                                         report.live.spawning, report.live.terminating + report.live.error)));
  section.blocks.push_back(
      item("Queued tasks", fmt::format("{} ({} running, {} blocked by other tasks)", report.queue.queued,
                                       report.queue.running, report.queue.blocked)));
  section.blocks.push_back(item(
      "Failures",
      fmt::format("{} in the last {}, {}; all pods together cost {} in the last 24 hours", report.failures,
                  window, format_usd(report.failures_usd), format_usd(report.spent_last_day_usd))));
  if (report.unread > 0)
    section.blocks.push_back(
        item("Note", fmt::format("what follows is made of the newest {} failures; {} older "
                                 "ones in this time are not in it",
                                 report.failures - report.unread, report.unread)));
  return section;
}

std::string channel_words(const std::string& channel) {
  if (channel == "ssh") return "SSH";
  if (channel == "report") return "the pod's own report";
  if (channel == "container_log") return "the container's log";
  if (channel == "runpod_api") return "Runpod's API";
  if (channel == "deadline") return "a deadline";
  return channel;
}

/// "commit 0123abc, image worker:2, 2 scripts"
std::string ran_with(const ReportedCause& cause) {
  std::string out;
  const auto add = [&](const Counts& counts, std::string_view noun) {
    if (counts.empty()) return;
    out += out.empty() ? "" : ", ";
    out += counts.size() == 1 ? fmt::format("{} {}", noun, ellipsize(counts.front().first, 80))
                              : many(static_cast<long>(counts.size()), noun);
  };
  add(cause.commits, "commit");
  add(cause.images, "image");
  add(cause.scripts, "script");
  return out;
}

void add_change(const Change& change, std::vector<Block>& blocks) {
  const bool place = change.what == "GPU type" || change.what == "data centre";
  const std::string last =
      change.previous_success ? fmt::format(", the last at {}", format_time(*change.previous_success)) : "";
  if (place) {
    blocks.push_back(item("Only there", fmt::format("{} {}: {} failed there and none succeeded; {} elsewhere "
                                                    "succeeded{}",
                                                    change.what, change.value, many(change.failures, "start"),
                                                    many(change.previous_successes, "start"), last)));
  } else {
    blocks.push_back(item(
        "Began with", fmt::format("{} {} at {}: {} failed with it and none succeeded; {} before "
                                  "it succeeded{} (with {})",
                                  change.what, ellipsize(change.value, 80), format_time(change.since),
                                  many(change.failures, "start"), many(change.previous_successes, "start"),
                                  last, ellipsize(change.previous, 80))));
  }
}

void add_cause(const ReportedCause& cause, std::vector<Block>& blocks) {
  blocks.push_back(
      heading(fmt::format("{}: {}, {}", cause.cause, many(cause.pods, "pod"), format_usd(cause.cost_usd))));
  if (!cause.summary.empty()) blocks.push_back(paragraph(cause.summary));
  if (!cause.evidence_line.empty()) {
    blocks.push_back(paragraph("The line that decides:"));
    blocks.push_back(literal({cause.evidence_line}));
  }
  const bool more = cause.last_words.size() > 1 ||
                    (cause.last_words.size() == 1 && cause.last_words.front() != cause.evidence_line);
  if (more) {
    blocks.push_back(paragraph(fmt::format("The last lines of {}:", cause.newest.str())));
    blocks.push_back(literal(cause.last_words));
  }
  if (!cause.phases.empty()) blocks.push_back(item("Where in life", listed(cause.phases)));
  if (cause.exit_code) blocks.push_back(item("Exit code", fmt::format("{} on every pod", *cause.exit_code)));
  if (!cause.signal.empty()) blocks.push_back(item("Signal", cause.signal + " on every pod"));
  if (!cause.data_centers.empty() || !cause.gpus.empty()) {
    const std::string where = listed(cause.data_centers), on = listed(cause.gpus);
    blocks.push_back(
        item("Where", fmt::format("{}{}{}", where, where.empty() || on.empty() ? "" : "; ", on)));
  }
  if (const std::string with = ran_with(cause); !with.empty()) blocks.push_back(item("Ran with", with));
  if (!cause.scope.empty())
    blocks.push_back(item("To be mended", [&]() -> std::string {
      if (cause.scope == "image_and_script") return "image, script or worker";
      if (cause.scope == "request") return "what is asked of Runpod or Supabase";
      if (cause.scope == "placement") return "where pods are asked for";
      return "the " + cause.scope;
    }()));
  if (!cause.channels.empty()) {
    Counts spoken = cause.channels;
    for (auto& [channel, count] : spoken) channel = channel_words(channel);
    blocks.push_back(item("Told first by", listed(spoken)));
  }
  if (!cause.missing.empty()) blocks.push_back(item("Could not be had", listed(cause.missing, 3)));
}

Section root_of(const IncidentReport& report) {
  Section section{"Root Cause Analysis", {}};
  const ReportedCause& lead = report.causes.front();
  add_cause(lead, section.blocks);
  for (const Change& change : report.pattern.changes) add_change(change, section.blocks);
  if (report.pattern.changes.size() > 1)
    section.blocks.push_back(
        paragraph("These changed together; which of them it was, the starts alone cannot tell."));
  if (report.recovered > 0)
    section.blocks.push_back(
        item("Over since", fmt::format("{}: {} succeeded after its last failure",
                                       format_time(*report.recovered_at), many(report.recovered, "start"))));
  constexpr std::size_t kInFull = 3;
  for (std::size_t i = 1; i < report.causes.size() && i < kInFull; ++i)
    add_cause(report.causes[i], section.blocks);
  return section;
}

Section breakdown_of(const IncidentReport& report) {
  constexpr std::size_t kMost = 20;
  Section section{"Failure Breakdown", {}};
  Block table{Kind::table, {}, {">PODS", ">COST", "CAUSE", "FIRST", "LAST", "EVIDENCE"}, {}};
  for (const ReportedCause& cause : report.causes) {
    if (table.rows.size() == kMost) break;
    table.rows.push_back({many(cause.pods, "pod"), format_usd(cause.cost_usd), printable(cause.cause),
                          format_time(cause.first), format_time(cause.last),
                          printable(cause.evidence_line.empty() ? cause.summary : cause.evidence_line)});
  }
  section.blocks.push_back(std::move(table));
  if (report.causes.size() > kMost)
    section.blocks.push_back(paragraph(
        fmt::format("{} more faults: gpuwarden report --format json", report.causes.size() - kMost)));
  return section;
}

Section timeline_of(const IncidentReport& report) {
  constexpr std::size_t kMost = 10;
  const Pattern& pattern = report.pattern;
  Section section{"Timeline Pattern", {}};
  const std::size_t bursts = pattern.bursts.size();
  if (pattern.period) {
    section.blocks.push_back(paragraph(
        fmt::format("Failures come every {}, {} times so far.", format_duration(*pattern.period), bursts)));
  } else if (bursts == 1 && pattern.bursts.front().pods > 1) {
    const Burst& burst = pattern.bursts.front();
    section.blocks.push_back(paragraph(fmt::format("One burst: {} within {}.", many(burst.pods, "pod"),
                                                   format_duration(burst.last - burst.first))));
  }
  constexpr int kTrend = 5;
  const int difference = pattern.later - pattern.earlier;
  if (difference >= kTrend && pattern.later >= 2 * pattern.earlier) {
    section.blocks.push_back(
        paragraph(fmt::format("They become more frequent: {} in the first half of the time since the "
                              "first failure, {} in the second.",
                              pattern.earlier, pattern.later)));
  } else if (-difference >= kTrend && pattern.earlier >= 2 * pattern.later) {
    section.blocks.push_back(
        paragraph(fmt::format("They become rarer: {} in the first half of the time since the first "
                              "failure, {} in the second.",
                              pattern.earlier, pattern.later)));
  }
  Block table{Kind::table, {}, {"FROM", "TO", ">PODS", "CAUSES"}, {}};
  for (std::size_t i = bursts > kMost ? bursts - kMost : 0; i < bursts; ++i) {
    const Burst& burst = pattern.bursts[i];
    table.rows.push_back({format_time(burst.first), format_time(burst.last), many(burst.pods, "pod"),
                          printable(listed(burst.causes, 3))});
  }
  section.blocks.push_back(std::move(table));
  if (bursts > kMost)
    section.blocks.push_back(paragraph(fmt::format("{} earlier bursts are left out.", bursts - kMost)));
  return section;
}

}  // namespace

Document document_of(const IncidentReport& report) {
  Document document;
  document.title = "Worker failures, " + format_time(report.now);
  document.summary = printable(report.headline);
  document.sections.push_back(state_of(report));
  if (!report.causes.empty()) {
    document.sections.push_back(root_of(report));
    document.sections.push_back(breakdown_of(report));
    document.sections.push_back(timeline_of(report));
  }
  if (!report.ruled_out.empty()) {
    Section section{"Ruled Out", {}};
    for (const RuledOut& entry : report.ruled_out) section.blocks.push_back(item(entry.what, entry.evidence));
    document.sections.push_back(std::move(section));
  }
  const std::pair<const char*, const std::vector<Step>*> lists[]{{"Immediate Fixes", &report.fixes},
                                                                 {"What Happens Next", &report.next}};
  for (const auto& [title, steps] : lists) {
    if (steps->empty()) continue;
    Section section{title, {}};
    add_steps(*steps, section.blocks);
    document.sections.push_back(std::move(section));
  }
  return document;
}

}  // namespace gpuwarden::diagnosis
