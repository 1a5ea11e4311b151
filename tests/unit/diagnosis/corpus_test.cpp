#include <map>

#include <gtest/gtest.h>

#include "gpuwarden/diagnosis/diagnose.hpp"

#include "corpus_reader.hpp"

namespace gpuwarden::diagnosis::testing {
namespace {

std::vector<CorpusCase> whole_corpus() {
  std::vector<CorpusCase> all;
  for (const char* part :
       {"provision", "connect", "preflight", "steps", "runtime", "traps", "more", "stories", "families"}) {
    for (CorpusCase& one :
         read_corpus(std::string(GPUWARDEN_SOURCE_DIR "/tests/unit/diagnosis/corpus/") + part + ".txt"))
      all.push_back(std::move(one));
  }
  return all;
}

TEST(Corpus, EveryCaseGetsItsCauseAndItsDecisiveLine) {
  for (const CorpusCase& one : whole_corpus()) {
    const Verdict verdict = diagnose(one.evidence, one.suspected);
    EXPECT_EQ(to_string(verdict.cause), to_string(one.cause)) << one.where << "\n  " << verdict.summary;
    EXPECT_NE(verdict.evidence_line.find(clean_line(one.decisive)), std::string::npos)
        << one.where << "\n  wanted: " << one.decisive << "\n  got:    " << verdict.evidence_line;
  }
}

TEST(Corpus, HasAtLeastFiveCasesOfEveryCause) {
  std::map<FailureCause, int> count;
  for (const CorpusCase& one : whole_corpus()) ++count[one.cause];
  for (const CauseFacts& about : all_causes()) {
    if (about.cause == FailureCause::unclassified) continue;
    EXPECT_GE(count[about.cause], 5) << about.name;
  }
}

TEST(Corpus, EveryVerdictCarriesTheFactsOfItsCause) {
  for (const CorpusCase& one : whole_corpus()) {
    const Verdict verdict = diagnose(one.evidence, one.suspected);
    const CauseFacts& about = facts(verdict.cause);
    EXPECT_EQ(verdict.advice, about.advice) << one.where;
    EXPECT_EQ(verdict.scope, about.scope) << one.where;
    EXPECT_EQ(verdict.counts_for_breaker, about.counts_for_breaker) << one.where;
    EXPECT_EQ(verdict.fingerprint.size(), 16U) << one.where;
    EXPECT_FALSE(verdict.summary.empty()) << one.where;
    EXPECT_FALSE(verdict.evidence_line.empty()) << one.where;
  }
}

}  // namespace
}  // namespace gpuwarden::diagnosis::testing
