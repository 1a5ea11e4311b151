#pragma once

#include <string>
#include <vector>

#include "gpuwarden/diagnosis/report.hpp"

namespace gpuwarden::diagnosis {

/// One piece of a report for people, before it is laid out. All texts are safe for terminals.
struct Block {
  enum class Kind {
    paragraph,  ///< lines.front()
    heading,    ///< within a section: lines.front()
    item,       ///< of a list: `label` and lines.front()
    step,       ///< of a numbered list: lines.front()
    literal,    ///< lines as they were printed or are to be typed
    table       ///< `rows` under the headings in `lines`; a heading that begins with '>' stands over numbers
  } kind{Kind::paragraph};
  std::string label{};
  std::vector<std::string> lines{};
  std::vector<std::vector<std::string>> rows{};
};

struct Section {
  std::string title;
  std::vector<Block> blocks;
};

struct Document {
  std::string title, summary;
  std::vector<Section> sections;
};

/// Current State, Root Cause Analysis, Failure Breakdown, Timeline Pattern, Ruled Out, Immediate Fixes and
/// What Happens Next; sections that have nothing to say are left out. Pure.
Document document_of(const IncidentReport& report);

/// As Markdown: headings, lists and fenced blocks only, which every renderer and chat shows.
std::string to_markdown(const Document& document);

}  // namespace gpuwarden::diagnosis
