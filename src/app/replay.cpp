#include "gpuwarden/app/replay.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "gpuwarden/app/version.hpp"
#include "gpuwarden/base/format.hpp"
#include "gpuwarden/config/config.hpp"

#include "journal_codec.hpp"
#include "replay_sums.hpp"

namespace gpuwarden::app {
namespace {

using journal::Json;

constexpr std::size_t kMostShown = 1000;
constexpr std::size_t kMostWarnings = 20;
constexpr Duration kLongestTick = std::chrono::minutes(2);  // a longer gap is one of the record

/// One way through the record: the decisions of this program, with memory of its own.
struct Way {
  policy::Settings settings;
  policy::Memory memory;

  Json decide(const journal::Tick& tick) {
    for (const policy::Note& note : tick.notes) policy::apply(memory, note);
    policy::Decision decision = policy::decide(tick.seen, std::move(memory), settings, tick.now, tick.random);
    memory = std::move(decision.memory);
    return journal::plan_json(decision.plan);
  }
};

class Replay {
 public:
  explicit Replay(const ReplayRequest& request) : request_(request) {}

  Result<void> read(std::istream& journal) {
    // A change that cannot be made is said before a long journal is read.
    policy::Settings probe;
    if (auto set = change(probe); !set) return set;
    std::string text;
    while (std::getline(journal, text)) {
      ++line_;
      if (text.empty()) continue;
      auto line = journal::parse_line(text);
      if (!line) {
        // Killed in the middle of a line, or cut; what follows is of no use before the next start.
        if (processes_ == 0) return fail(line.error().within(fmt::format("line {}", line_)));
        warn(fmt::format("line {} cannot be read ({}): what follows is left out up to the next start", line_,
                         line.error().message));
        lost_ = true;
        continue;
      }
      if (auto taken = take(std::move(*line)); !taken) return taken;
    }
    if (processes_ == 0) return fail(ErrorKind::malformed, "there is no journal in it");
    flush({});
    return {};
  }

  std::string json() const {
    const bool changed = !request_.changes.empty();
    Json changes = Json::array();
    for (const auto& [name, value] : request_.changes) changes.push_back({{"name", name}, {"value", value}});
    Json json{{"file", request_.file},
              {"ticks", ticks_},
              {"processes", processes_},
              {"from", ticks_ > 0 ? Json(format_time(from_)) : Json(nullptr)},
              {"until", ticks_ > 0 ? Json(format_time(until_)) : Json(nullptr)},
              {"recorded_by", versions_},
              {"program", kVersion},
              {"reproduced", mismatches_ == 0},
              {"mismatches", mismatches_},
              {"first_mismatch", first_mismatch_},
              {"changes", std::move(changes)}};
    if (changed) {
      json["differing_ticks"] = differing_;
      json["differences"] = differences_;
    }
    json["summary"]["recorded"] = recorded_sums_.json();
    if (changed) json["summary"]["changed"] = changed_sums_.json();
    json["warnings"] = warnings_;
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

 private:
  Result<void> change(policy::Settings& settings) const {
    for (const auto& [name, value] : request_.changes) {
      if (auto set = config::set_decision_variable(settings, name, value); !set) return set;
    }
    return {};
  }

  void warn(std::string what) {
    if (warnings_.size() < kMostWarnings) warnings_.push_back(std::move(what));
  }

  Result<void> use(const policy::Settings& settings) {
    recorded_.settings = settings;
    changed_.settings = settings;
    return change(changed_.settings);
  }

  Result<void> take(journal::Line line) {
    if (line.start) {
      ++processes_;
      lost_ = false;
      flush({});
      versions_.insert(line.start->version);
      recorded_.memory = line.start->memory;
      changed_.memory = line.start->memory;
      return use(line.start->settings);
    }
    if (processes_ == 0) return fail(ErrorKind::malformed, "it does not begin with a start line");
    if (lost_) return {};
    if (line.settings) return use(*line.settings);
    decide(*line.tick);
    return {};
  }

  void decide(const journal::Tick& tick) {
    flush(tick.now);
    if (ticks_++ == 0) from_ = tick.at;
    until_ = tick.at;
    const Json plan = recorded_.decide(tick);
    if (plan != tick.plan) {
      if (mismatches_++ == 0) note_mismatch(tick, plan);
    }
    last_ = Last{tick.now, plan, plan};
    if (request_.changes.empty()) return;
    last_->changed = changed_.decide(tick);
    auto differs = journal::difference(plan, last_->changed);
    if (!differs) return;
    if (++differing_ > kMostShown) return;
    Json entry{{"tick", tick.number}, {"at", format_time(tick.at)}};
    entry.update(*differs);
    differences_.push_back(std::move(entry));
  }

  void note_mismatch(const journal::Tick& tick, const Json& plan) {
    first_mismatch_ = {{"tick", tick.number}, {"at", format_time(tick.at)}, {"line", line_}};
    const auto differs = journal::difference(tick.plan, plan);
    first_mismatch_["difference"] = differs ? *differs : Json(nullptr);
    first_mismatch_["recorded"] = tick.plan;
    first_mismatch_["now"] = plan;
  }

  /// A plan is in force until the next tick of the same process.
  void flush(std::optional<MonoTime> next) {
    if (!last_) return;
    const Duration held = next ? std::clamp(*next - last_->now, Duration{0}, kLongestTick)
                               : std::min(recorded_.settings.poll, kLongestTick);
    recorded_sums_.add(last_->recorded, held);
    if (!request_.changes.empty()) changed_sums_.add(last_->changed, held);
    last_.reset();
  }

  struct Last {
    MonoTime now{};
    Json recorded, changed;
  };

  const ReplayRequest& request_;
  Way recorded_, changed_;
  std::optional<Last> last_;
  journal::Sums recorded_sums_, changed_sums_;
  std::set<std::string> versions_;
  std::vector<std::string> warnings_;
  Json first_mismatch_, differences_ = Json::array();
  WallTime from_{}, until_{};
  std::size_t line_{0}, ticks_{0}, processes_{0}, mismatches_{0}, differing_{0};
  bool lost_{false};
};

}  // namespace

Result<std::string> replay(std::istream& journal, const ReplayRequest& request) {
  Replay replay(request);
  if (auto read = replay.read(journal); !read) return fail(read.error());
  return replay.json();
}

Result<std::string> replay(const ReplayRequest& request) {
  if (request.file == "-") return replay(std::cin, request);
  std::ifstream file(request.file);
  if (!file)
    return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable,
                fmt::format("{}: {}", request.file, std::generic_category().message(errno)));
  auto done = replay(file, request);
  if (!done && done.error().kind != ErrorKind::invalid_input) return fail(done.error().within(request.file));
  return done;
}

}  // namespace gpuwarden::app
