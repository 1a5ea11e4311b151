// Any evidence gets a verdict: no crash, a stable answer, bounded texts.

#include <cstdlib>
#include <string>

#include <fuzzer/FuzzedDataProvider.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

gpuwarden::Evidence evidence_from(FuzzedDataProvider& data) {
  using gpuwarden::Evidence;
  constexpr const char* kPhases[] = {"",
                                     "intent",
                                     "starting",
                                     "connecting",
                                     "bootstrapping:preflight",
                                     "bootstrapping:setup",
                                     "bootstrapping:start",
                                     "awaiting_heartbeat",
                                     "busy",
                                     "collecting"};
  constexpr const char* kSources[] = {"worker", "bootstrap", "container", "system"};
  constexpr const char* kServices[] = {"runpod", "supabase", "ssh", ""};
  Evidence evidence;
  evidence.phase = data.ConsumeBool() ? data.PickValueInArray(kPhases) : data.ConsumeRandomLengthString(40);
  evidence.step = data.ConsumeRandomLengthString(12);
  if (data.ConsumeBool()) evidence.exit_code = data.ConsumeIntegral<int>();
  evidence.signal = data.ConsumeRandomLengthString(12);
  if (data.ConsumeBool()) evidence.heartbeat_age_s = data.ConsumeFloatingPoint<double>();
  if (data.ConsumeBool()) evidence.pod.emplace().status = data.ConsumeRandomLengthString(12);
  if (data.ConsumeBool()) {
    evidence.api.emplace().service = data.PickValueInArray(kServices);
    if (data.ConsumeBool()) evidence.api->status = data.ConsumeIntegralInRange(0, 999);
    evidence.api->detail = data.ConsumeRandomLengthString(400);
  }
  if (data.ConsumeBool()) evidence.probe["nvidia_smi"] = data.ConsumeRandomLengthString(400);
  if (data.ConsumeBool()) evidence.probe["df"] = data.ConsumeRandomLengthString(400);
  while (data.remaining_bytes() > 0) {
    evidence.tails[data.PickValueInArray(kSources)].push_back(data.ConsumeRandomLengthString(5000));
  }
  return evidence;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider data(bytes, size);
  const gpuwarden::Evidence evidence = evidence_from(data);
  const gpuwarden::Verdict verdict = gpuwarden::diagnosis::diagnose(evidence);
  const gpuwarden::Verdict again = gpuwarden::diagnosis::diagnose(evidence);
  require(verdict.cause == again.cause && verdict.evidence_line == again.evidence_line);
  require(verdict.fingerprint.size() == 16 && verdict.fingerprint == again.fingerprint);
  require(verdict.summary.size() <= 300 && verdict.evidence_line.size() <= 4096);
  require(gpuwarden::printable(verdict.evidence_line) == verdict.evidence_line);
  require(gpuwarden::printable(verdict.summary) == verdict.summary);
  return 0;
}
