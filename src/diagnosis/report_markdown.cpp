#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "gpuwarden/diagnosis/report_document.hpp"

namespace gpuwarden::diagnosis {
namespace {

/// Text that Markdown shows as it is: worker output is full of underscores, stars and angle brackets.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\`*_[]<>|#").find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

/// A fence is longer than any run of backticks within.
std::string fence_for(const std::vector<std::string>& lines) {
  std::size_t longest = 2;
  for (const std::string& line : lines) {
    std::size_t run = 0;
    for (const char c : line) {
      run = c == '`' ? run + 1 : 0;
      longest = std::max(longest, run);
    }
  }
  return std::string(longest + 1, '`');
}

void fenced(const std::vector<std::string>& lines, std::string_view indent, std::string& out) {
  const std::string fence = fence_for(lines);
  out += fmt::format("{}{}\n", indent, fence);
  for (const std::string& line : lines) out += fmt::format("{}{}\n", indent, line);
  out += fmt::format("{}{}\n", indent, fence);
}

/// Aligned by bytes but for the last column, which is the one with free text.
std::vector<std::string> aligned(const Block& table) {
  std::vector<std::vector<std::string>> rows{{}};
  std::vector<bool> right;
  for (const std::string& title : table.lines) {
    right.push_back(title.starts_with('>'));
    rows.front().push_back(right.back() ? title.substr(1) : title);
  }
  rows.insert(rows.end(), table.rows.begin(), table.rows.end());
  std::vector<std::size_t> widths(right.size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      if (right[i]) line += padding;
      line += row[i];
      if (i + 1 < row.size()) line += (right[i] ? "" : padding) + "  ";
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

std::string to_markdown(const Document& document) {
  std::string out = fmt::format("# {}\n\n**{}**\n", escaped(document.title), escaped(document.summary));
  for (const Section& section : document.sections) {
    out += fmt::format("\n## {}\n", section.title);
    int number = 0;
    bool in_list = false;
    for (const Block& block : section.blocks) {
      const bool item = block.kind == Block::Kind::item || block.kind == Block::Kind::step;
      const bool under_step = block.kind == Block::Kind::literal && number > 0;
      if (!(item && in_list) && !under_step) out += "\n";
      in_list = item || under_step;
      switch (block.kind) {
        case Block::Kind::paragraph:
          out += escaped(block.lines.front()) + "\n";
          break;
        case Block::Kind::heading:
          out += "### " + escaped(block.lines.front()) + "\n";
          break;
        case Block::Kind::item:
          out += fmt::format("- **{}**: {}\n", escaped(block.label), escaped(block.lines.front()));
          break;
        case Block::Kind::step:
          out += fmt::format("{}. {}\n", ++number, escaped(block.lines.front()));
          break;
        case Block::Kind::literal:
          fenced(block.lines, under_step ? "   " : "", out);
          break;
        case Block::Kind::table:
          fenced(aligned(block), "", out);
          break;
      }
    }
  }
  return out;
}

}  // namespace gpuwarden::diagnosis
