#include <algorithm>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "gpuwarden/diagnosis/diagnose.hpp"

namespace gpuwarden::diagnosis {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs read_pairs(const std::string& name) {
  std::ifstream file(GPUWARDEN_SOURCE_DIR "/tests/unit/diagnosis/corpus/" + name);
  if (!file) throw std::runtime_error("cannot read " + name);
  Pairs pairs;
  std::vector<std::string> block;
  std::string line;
  const auto close = [&] {
    if (!block.empty() && block.size() != 2) throw std::runtime_error(name + ": no pair at " + block.front());
    if (block.size() == 2) pairs.emplace_back(block[0], block[1]);
    block.clear();
  };
  while (std::getline(file, line)) {
    if (line.starts_with("#")) continue;
    if (line.empty())
      close();
    else
      block.push_back(line);
  }
  close();
  return pairs;
}

std::string print_of(std::string_view line) {
  return fingerprint(FailureCause::worker_crashed, line);
}

TEST(FingerprintPairs, AreEqualForTheSameFaultOnTwoPods) {
  const Pairs pairs = read_pairs("same.txt");
  EXPECT_GE(pairs.size(), 40U);
  for (const auto& [one, other] : pairs) EXPECT_EQ(print_of(one), print_of(other)) << one << "\n" << other;
}

TEST(FingerprintPairs, DifferForDifferentFaults) {
  const Pairs pairs = read_pairs("different.txt");
  EXPECT_GE(pairs.size(), 35U);
  for (const auto& [one, other] : pairs) EXPECT_NE(print_of(one), print_of(other)) << one << "\n" << other;
}

/// Makes up what differs from pod to pod.
class Filler {
 public:
  explicit Filler(std::uint32_t seed) : random_(seed) {}

  /// {uuid} {hex} {id} {n} {amount} {time} {ip} {port} {dir} {gpu} {pct} replaced.
  std::string fill(std::string text) {
    for (std::size_t at = text.find('{'); at != std::string::npos; at = text.find('{', at)) {
      const std::size_t end = text.find('}', at);
      const std::string value = make(text.substr(at + 1, end - at - 1));
      text.replace(at, end - at + 1, value);
      at += value.size();
    }
    return text;
  }

 private:
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_()) % bound; }
  std::string number(std::uint32_t bound) { return std::to_string(below(bound)); }
  std::string letters(std::string_view from, std::size_t count) {
    std::string out;
    for (; count > 0; --count) out.push_back(from[below(static_cast<std::uint32_t>(from.size()))]);
    return out;
  }
  std::string hex(std::size_t count) {
    // Some digit and some letter: a word of letters alone is a word.
    return "a" + letters("0123456789abcdef", count - 2) + "7";
  }
  std::string two(std::uint32_t bound) {
    const std::string digits = number(bound);
    return digits.size() == 1 ? "0" + digits : digits;
  }

  std::string make(const std::string& kind) {
    if (kind == "uuid") return hex(8) + "-" + hex(4) + "-" + hex(4) + "-" + hex(4) + "-" + hex(12);
    if (kind == "hex") return "0x" + hex(12);
    if (kind == "id")
      return letters("0123456789", 1) + "x" + letters("0123456789", 1) +
             letters("abcdefghijklmnopqrstuvwxyz0123456789", 11);
    if (kind == "n") return number(100000);
    if (kind == "amount") {
      constexpr const char* kUnits[] = {" MiB", " GiB", "GiB", " KB", "MB", " bytes"};
      return number(1000) + (below(2) == 0 ? "." + two(100) : std::string()) + kUnits[below(6)];
    }
    if (kind == "duration") {
      constexpr const char* kUnits[] = {" s", "s", "ms", " seconds", "m", " minutes", "h"};
      return number(1000) + kUnits[below(7)];
    }
    if (kind == "time")
      return "2026-" + two(12) + "-" + two(28) + "T" + two(24) + ":" + two(60) + ":" + two(60) + "." +
             number(1000) + "Z";
    if (kind == "ip") return number(255) + "." + number(255) + "." + number(255) + "." + number(255);
    if (kind == "port") return number(65535);
    if (kind == "gpu") return number(8);
    if (kind == "pct") return number(100) + "%";
    if (kind == "dir") {
      constexpr const char* kTops[] = {"/workspace/", "/tmp/", "/root/", "/runpod-volume/w/"};
      return kTops[below(4)] + (below(2) == 0 ? "tmp" + hex(8) + "/" : std::string());
    }
    throw std::runtime_error("no such kind: " + kind);
  }

  std::mt19937 random_;
};

TEST(FingerprintProperty, NothingThatDiffersFromPodToPodChangesIt) {
  constexpr const char* kTemplates[] = {
      "{time} ERROR KeyError: 'frames' in task {uuid}",
      "CUDA out of memory. Tried to allocate {amount}. GPU {gpu} has {amount} of which {amount} is free",
      "pod {id} on {ip}:{port} did not answer within {duration}",
      "can't open file '{dir}main.py': line {n}",
      "No space left on device: '{dir}out.mp4' ({pct} used, {amount} free)",
      "segfault at {hex} ip {hex} sp {hex} in process {n}",
      "worker {id} lost after {duration} at {time}: cuda:{gpu} failed",
      "ssh: connect to host {ip} port {port}: Connection refused",
      "request {uuid} took {duration}, {n} of {n} done, {pct}",
      "ModuleNotFoundError: No module named 'diffusers' (pid {n}, {dir}worker.py:{n})",
      "https://abc.supabase.co/storage/v1/object/{uuid}/out?token={id} answered 500 after {duration}",
  };
  Filler filler(20261126);
  for (const char* text : kTemplates) {
    const std::string first = filler.fill(text);
    for (int round = 0; round < 300; ++round) {
      const std::string other = filler.fill(text);
      ASSERT_EQ(print_of(first), print_of(other)) << first << "\n" << other;
    }
  }
}

TEST(FingerprintProperty, ANameThatIsPartOfTheFaultChangesIt) {
  constexpr const char* kTemplates[] = {
      "ModuleNotFoundError: No module named '@'",
      "worker.py: error: unrecognized arguments: --@",
      "can't open file '/workspace/@.py': [Errno 2]",
      "KeyError: '@'",
      "E: Unable to locate package @",
      "AttributeError: module 'torch' has no attribute '@'",
      "fatal: couldn't find remote ref @",
      "bash: line 3: @: command not found",
  };
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz_";
  std::mt19937 random(7);
  const auto name = [&] {
    std::string out(1, 'q');  // never a unit or a month
    for (std::size_t i = 4 + random() % 8; i > 0; --i) out.push_back(kLetters[random() % kLetters.size()]);
    return out;
  };
  for (const char* text : kTemplates) {
    const auto with = [&](const std::string& word) {
      std::string line(text);
      return line.replace(line.find('@'), 1, word);
    };
    for (int round = 0; round < 200; ++round) {
      const std::string one = name();
      const std::string other = name();
      if (one == other) continue;
      ASSERT_NE(print_of(with(one)), print_of(with(other))) << with(one) << "\n" << with(other);
    }
  }
}

}  // namespace
}  // namespace gpuwarden::diagnosis
