#pragma once

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpuwarden/diagnosis/diagnose.hpp"
#include "gpuwarden/ports/evidence_json.hpp"

#include "corpus_reader.hpp"

namespace gpuwarden::diagnosis::testing {

/// Reads whole evidence documents, one a line: {"name", "expected": {"cause", "line"}, "evidence", "note"}.
/// `note` says why a document has no better cause than `unclassified`.
inline std::vector<CorpusCase> read_documents(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<CorpusCase> cases;
  std::string line;
  while (std::getline(file, line)) {
    const nlohmann::json document = nlohmann::json::parse(line);
    CorpusCase& one = cases.emplace_back();
    one.where = path.substr(path.rfind('/') + 1) + ":" + document.at("name").get<std::string>();
    one.cause = cause_named(document.at("expected").at("cause").get<std::string>(), one.where);
    one.decisive = document.at("expected").at("line").get<std::string>();
    one.note = document.value("note", "");
    const auto evidence = ports::evidence_from_json(document.at("evidence").dump());
    if (!evidence) throw std::runtime_error(one.where + ": no evidence");
    one.evidence = *evidence;
  }
  return cases;
}

/// The line quotes what decides: it contains the wanted words, or is most of them.
inline bool quotes(const std::string& line, const std::string& wanted) {
  const std::string words = clean_line(wanted);
  if (words.empty() || line.find(words) != std::string::npos) return true;
  return !line.empty() && words.find(line) != std::string::npos && line.size() * 2 > words.size();
}

}  // namespace gpuwarden::diagnosis::testing
