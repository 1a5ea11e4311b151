#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/diagnosis/report.hpp"

/// The parts that a report is put together from.
namespace gpuwarden::diagnosis {

/// "1 pod", "2 pods".
std::string many(long count, std::string_view noun);
/// One more of `value`; empty values are not counted.
void tally(Counts& counts, const std::string& value);
/// The most frequent first, alike frequent ones by name.
void rank(Counts& counts);
/// "EU-RO-1 (3), US-TX-3 (1)", at most `most` of them.
std::string listed(const Counts& counts, std::size_t most = 5);

/// What makes two failures the same fault.
const std::string& fault_of(const FailedWorker& failed);
std::vector<ReportedCause> causes_of(const Incident& incident);
/// The failures of one entry of causes_of.
std::vector<const FailedWorker*> failures_of(const Incident& incident, const ReportedCause& cause);

/// How far a worker came, by the phase it failed in.
enum class Reached { nothing, pod, preflight, fetch, setup, start, running };
Reached reached(const FailedWorker& failed);

std::vector<RuledOut> ruled_out(const Incident& incident, const std::vector<ReportedCause>& causes);
/// The value of one dimension that all failures of the fault share and that starts succeeded with, too.
std::vector<RuledOut> unchanged(const std::vector<const FailedWorker*>& fault,
                                const std::vector<StartRecord>& starts);

std::vector<Step> fixes_of(const IncidentReport& report, const Incident& incident);
std::vector<Step> next_of(const IncidentReport& report, const Incident& incident,
                          const ReportContext& context);

}  // namespace gpuwarden::diagnosis
