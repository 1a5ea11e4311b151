#include <cstdio>
#include <iostream>

#include <gtest/gtest.h>

#include "documents_reader.hpp"

namespace gpuwarden::diagnosis::testing {
namespace {

std::string corpus_file(const std::string& name) {
  return GPUWARDEN_SOURCE_DIR "/tests/unit/diagnosis/corpus/" + name;
}

struct Score {
  std::size_t documents{0};
  std::size_t causes{0};
  std::size_t lines{0};
  std::string misses;

  void add(const CorpusCase& one) {
    const Verdict verdict = diagnose(one.evidence, one.suspected);
    const bool cause = verdict.cause == one.cause;
    const bool line = quotes(verdict.evidence_line, one.decisive);
    ++documents;
    causes += cause ? 1 : 0;
    lines += line ? 1 : 0;
    if (cause && line) return;
    misses += one.where + ": wanted " + std::string(to_string(one.cause)) + ", got " +
              std::string(to_string(verdict.cause)) + "\n  wanted: " + one.decisive +
              "\n  got:    " + verdict.evidence_line + "\n";
  }
  static double percent(std::size_t part, std::size_t whole) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  }
  double causes_percent() const { return percent(causes, documents); }
  double lines_percent() const { return percent(lines, documents); }
  void print(const std::string& name) const {
    std::printf("corpus %-16s %4zu documents, right cause %6.2f %%, right line %6.2f %%\n", name.c_str(),
                documents, causes_percent(), lines_percent());
  }
};

std::vector<CorpusCase> cases_of(const std::string& name) {
  return name.ends_with(".jsonl") ? read_documents(corpus_file(name)) : read_corpus(corpus_file(name));
}

constexpr const char* kFiles[] = {"provision.txt",
                                  "connect.txt",
                                  "preflight.txt",
                                  "steps.txt",
                                  "runtime.txt",
                                  "traps.txt",
                                  "more.txt",
                                  "stories.txt",
                                  "families.txt",
                                  "documents_host.jsonl",
                                  "documents_fleet.jsonl",
                                  "documents_forum.jsonl",
                                  "documents_worker.jsonl"};

TEST(Documents, AreNamedAndQuotedRightlyInAtLeastNinetyEightOfAHundred) {
  Score all;
  for (const char* name : kFiles) {
    Score score;
    for (const CorpusCase& one : cases_of(name)) {
      score.add(one);
      all.add(one);
    }
    score.print(name);
  }
  all.print("all together");
  constexpr double kEnough = 98;
  EXPECT_GE(all.causes_percent(), kEnough) << all.misses;
  EXPECT_GE(all.lines_percent(), kEnough) << all.misses;
  EXPECT_GE(all.documents, 1700U);
  if (!all.misses.empty()) std::cout << all.misses;
}

TEST(Documents, AreUnclassifiedOnlyWithANoteWhy) {
  for (const char* name : kFiles) {
    for (const CorpusCase& one : cases_of(name)) {
      if (diagnose(one.evidence, one.suspected).cause != FailureCause::unclassified) continue;
      EXPECT_FALSE(one.note.empty()) << one.where;
    }
  }
}

TEST(Documents, CountAsQuotedOnlyByALineThatHoldsMostOfTheWords) {
  EXPECT_TRUE(quotes("2026-11-24 ValueError: bad", "ValueError: bad"));
  EXPECT_TRUE(quotes("CUDA out of memory.", "torch: CUDA out of memory. Tried"));
  EXPECT_FALSE(quotes("bad", "ValueError: bad"));
  EXPECT_FALSE(quotes("", "ValueError: bad"));
  EXPECT_TRUE(quotes("anything", ""));
}

}  // namespace
}  // namespace gpuwarden::diagnosis::testing
