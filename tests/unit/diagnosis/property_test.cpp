#include <chrono>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

#include "corpus_reader.hpp"

namespace gpuwarden::diagnosis::testing {
namespace {

std::vector<CorpusCase> runtime_cases() {
  return read_corpus(GPUWARDEN_SOURCE_DIR "/tests/unit/diagnosis/corpus/runtime.txt");
}

TEST(Verdicts, DoNotChangeWithHarmlessLinesBeforeTheTail) {
  for (CorpusCase one : runtime_cases()) {
    const Verdict before = diagnose(one.evidence, one.suspected);
    for (auto& [source, lines] : one.evidence.tails) {
      lines.insert(lines.begin(),
                   {"loading configuration", "epoch 1 of 3", "  12%|#  | 1/8 [00:01<00:07, 1.0it/s]"});
    }
    const Verdict after = diagnose(one.evidence, one.suspected);
    EXPECT_EQ(to_string(after.cause), to_string(before.cause)) << one.where;
    EXPECT_EQ(after.evidence_line, before.evidence_line) << one.where;
    EXPECT_EQ(after.fingerprint, before.fingerprint) << one.where;
  }
}

TEST(Verdicts, DoNotChangeWithColoursAndTimeStamps) {
  for (CorpusCase one : runtime_cases()) {
    const Verdict before = diagnose(one.evidence, one.suspected);
    for (auto& [source, lines] : one.evidence.tails) {
      for (std::string& line : lines) line = "2026-11-24T01:02:03.456Z \x1B[33m" + line + "\x1B[0m\r";
    }
    const Verdict after = diagnose(one.evidence, one.suspected);
    EXPECT_EQ(to_string(after.cause), to_string(before.cause)) << one.where;
    EXPECT_EQ(after.fingerprint, before.fingerprint) << one.where << "\n" << after.evidence_line;
  }
}

TEST(Verdicts, AreGivenForEmptyEvidence) {
  const Verdict verdict = diagnose(Evidence{});
  EXPECT_EQ(verdict.cause, FailureCause::unclassified);
  EXPECT_FALSE(verdict.summary.empty());
}

TEST(Verdicts, TakeWhatTheMachineryBelievesWhenNothingSaysMore) {
  for (const CauseFacts& about : all_causes()) {
    EXPECT_EQ(to_string(diagnose(Evidence{}, about.cause).cause), about.name);
  }
}

TEST(Verdicts, AreStableAndBoundedForRandomText) {
  std::mt19937 random(20261124);
  const std::string words[] = {
      "error: ",  "CUDA out of memory", "\x1B[", "\r", "Traceback (most recent call last):",
      "  File x", "KeyError: ",         "%|",    "]",  "@gpuwarden {\"tail\":[\"",
      "\xFF\xC3", "No space left",      "retry", " ",  "succeeded"};
  for (int round = 0; round < 300; ++round) {
    Evidence evidence;
    for (const char* source : {"worker", "bootstrap", "system"}) {
      for (int line = 0; line < 8; ++line) {
        std::string text;
        for (std::uint32_t i = random() % 12; i > 0; --i) text += words[random() % std::size(words)];
        evidence.tails[source].push_back(std::move(text));
      }
    }
    if (random() % 2 == 0) evidence.exit_code = static_cast<int>(random() % 200);
    const Verdict verdict = diagnose(evidence);
    EXPECT_EQ(verdict.fingerprint, diagnose(evidence).fingerprint);
    EXPECT_LE(verdict.evidence_line.size(), 4096U);
    EXPECT_LE(verdict.summary.size(), 300U);
    EXPECT_EQ(printable(verdict.summary), verdict.summary);
  }
}

TEST(Verdicts, ComeFastForTheLargestEvidence) {
  Evidence evidence;
  evidence.phase = "busy";
  evidence.exit_code = 1;
  for (int i = 0; i < 800; ++i)
    evidence.tails["worker"].push_back("2026-11-24 01:02:03 INFO sampler: frame " + std::to_string(i) +
                                       " of 800 done in 0.53 s, queue depth 3, memory 21.4");
  evidence.tails["worker"].push_back("ValueError: bad");
  diagnose(evidence);
  // Fifty in a second even in a build with sanitizers on a busy machine; a release build takes below 1 ms
  // each.
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(diagnose(evidence).cause, FailureCause::worker_crashed);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(40));
}

TEST(Verdicts, ComeFastForLinesThatAlmostFitManyRules) {
  // Each word begins several patterns whose other half never comes.
  for (const char* word : {"spot ", "pod ", "error: ", "failed to allocate ", "fatal: ", "{\"level\":\"x\",",
                           "manifests/", "* ", "cuda ", "a_error.bin "}) {
    std::string line;
    while (line.size() < 64 * 1024) line += word;
    // As one line and as many: the work goes with the bytes.
    for (const std::size_t longest : {std::size_t{64} * 1024, std::size_t{2000}, std::size_t{100}}) {
      Evidence evidence;
      evidence.phase = "busy";
      for (std::size_t at = 0; at < line.size(); at += longest)
        evidence.tails["worker"].push_back(line.substr(at, longest));
      const auto begin = std::chrono::steady_clock::now();
      diagnose(evidence);
      // A release build takes below 10 ms; sanitizers and busy machines take their time, but work that grows
      // with the square of the bytes takes minutes.
      EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << word << longest;
    }
  }
}

TEST(Verdicts, FindTheDecisiveWordsFarInsideALongLine) {
  Evidence evidence;
  evidence.phase = "busy";
  evidence.exit_code = 1;
  evidence.tails["worker"].push_back("{\"state\":\"" + std::string(20000, 'a') +
                                     " CUDA out of memory. Tried to allocate 2 GiB " +
                                     std::string(20000, 'b') + "\"}");
  const Verdict verdict = diagnose(evidence);
  EXPECT_EQ(verdict.cause, FailureCause::out_of_memory);
  EXPECT_NE(verdict.evidence_line.find("CUDA out of memory"), std::string::npos);
  EXPECT_LE(verdict.evidence_line.size(), 4096U);
}

}  // namespace
}  // namespace gpuwarden::diagnosis::testing
