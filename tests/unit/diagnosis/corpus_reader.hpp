#pragma once

#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "gpuwarden/domain/evidence.hpp"

namespace gpuwarden::diagnosis::testing {

/// One block of a corpus file: evidence, the cause it must get, and words of the line that decides.
struct CorpusCase {
  std::string where;
  FailureCause cause{FailureCause::unclassified};
  std::optional<FailureCause> suspected;
  Evidence evidence;
  std::string decisive;  ///< part of the evidence line; empty = any
  std::string note;      ///< why there is no better cause than `unclassified`
};

inline FailureCause cause_named(const std::string& name, const std::string& where) {
  const auto cause = parse_failure_cause(name);
  if (!cause) throw std::runtime_error(where + ": no such cause: " + name);
  return *cause;
}

inline void set_key(CorpusCase& current, const std::string& key, const std::string& value) {
  Evidence& evidence = current.evidence;
  if (key == "phase") {
    evidence.phase = value;
  } else if (key == "step") {
    evidence.step = value;
  } else if (key == "exit") {
    evidence.exit_code = std::stoi(value);
  } else if (key == "signal") {
    evidence.signal = value;
  } else if (key == "heartbeat") {
    evidence.heartbeat_age_s = std::stod(value);
  } else if (key == "task") {
    evidence.task = Evidence::Task{"3f0b8a7e-1c2d-4e5f-8a9b-0c1d2e3f4a5b", std::stoi(value)};
  } else if (key == "pod") {
    evidence.pod.emplace().status = value;
  } else if (key == "api") {
    evidence.api.emplace().service = value;
  } else if (key == "status") {
    evidence.api->status = std::stoi(value);
  } else if (key == "suspected") {
    current.suspected = cause_named(value, current.where);
  } else {
    throw std::runtime_error(current.where + ": no such key: " + key);
  }
}

inline void add_line(CorpusCase& current, std::string source, const std::string& text) {
  if (source.back() == '>') {
    source.pop_back();
    current.decisive = text;
  }
  if (source == "api")
    current.evidence.api->detail = text;
  else if (source == "nvidia_smi" || source == "df")
    current.evidence.probe[source] = text;
  else
    current.evidence.tails[source].push_back(text);
}

/// Reads a corpus file; throws on what it does not understand, so that a typing error is no silent pass.
inline std::vector<CorpusCase> read_corpus(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<CorpusCase> cases;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    if (line.starts_with("case: ")) {
      CorpusCase& current = cases.emplace_back();
      current.where = path.substr(path.rfind('/') + 1) + ":" + std::to_string(number);
      std::istringstream words(line.substr(6));
      std::string word;
      words >> word;
      current.cause = cause_named(word, current.where);
      while (words >> word) set_key(current, word.substr(0, word.find('=')), word.substr(word.find('=') + 1));
    } else if (line.starts_with("note: ")) {
      cases.back().note = line.substr(6);
    } else if (line.starts_with("line: ") || line.starts_with("decide: ")) {
      cases.back().decisive = line.substr(line.find(' ') + 1);
    } else {
      const std::size_t bar = line.find('|');
      add_line(cases.back(), line.substr(0, bar), line.substr(std::min(bar + 2, line.size())));
    }
  }
  return cases;
}

}  // namespace gpuwarden::diagnosis::testing
