#include <algorithm>

#include <fmt/format.h>

#include "report_view.hpp"
#include "table.hpp"
#include "wrap.hpp"

namespace gpuwarden::cli {
namespace {

using diagnosis::Block;

void print_table(const Block& block, Output& output) {
  std::vector<Column> columns;
  for (const std::string& title : block.lines) {
    const bool right = title.starts_with('>');
    columns.push_back({right ? title.substr(1) : title, right, &title == &block.lines.back()});
  }
  Table table(std::move(columns));
  for (const auto& row : block.rows) {
    std::vector<Cell> cells;
    cells.reserve(row.size());
    for (const std::string& text : row) cells.push_back({text});
    table.add(std::move(cells));
  }
  table.print(output.out, output.width, output.colour, "  ");
}

/// Labels of one list are padded to the same width.
std::size_t label_width(const diagnosis::Section& section) {
  std::size_t width = 0;
  for (const Block& block : section.blocks) width = std::max(width, display_width(block.label));
  return width;
}

void print_block(const Block& block, std::size_t labels, int& number, Output& output) {
  switch (block.kind) {
    case Block::Kind::paragraph:
    case Block::Kind::heading:
      print_wrapped(output.out, "  ", 2, block.lines.front(), 2, output.width);
      break;
    case Block::Kind::item: {
      const std::string padding(labels - display_width(block.label), ' ');
      print_wrapped(output.out, fmt::format("  {}{}  ", block.label, padding), labels + 4,
                    block.lines.front(), labels + 4, output.width);
      break;
    }
    case Block::Kind::step: {
      const std::string head = fmt::format("  {}. ", ++number);
      print_wrapped(output.out, head, head.size(), block.lines.front(), head.size(), output.width);
      break;
    }
    case Block::Kind::literal:
      for (const std::string& line : block.lines)
        output.out << "       " << paint(line, Colour::bold, output.colour) << "\n";
      break;
    case Block::Kind::table:
      print_table(block, output);
      break;
  }
}

}  // namespace

void print_report(const diagnosis::Document& document, bool trouble, Output& output) {
  output.out << document.title << "\n";
  const std::string summary = document.summary;
  output.out << paint(summary, trouble ? Colour::red : Colour::green, output.colour) << "\n";
  for (const diagnosis::Section& section : document.sections) {
    output.out << "\n" << paint(section.title, Colour::bold, output.colour) << "\n";
    const std::size_t labels = label_width(section);
    int number = 0;
    bool first = true;
    for (const Block& block : section.blocks) {
      if (block.kind == Block::Kind::heading && !first) output.out << "\n";
      print_block(block, labels, number, output);
      first = false;
    }
  }
}

}  // namespace gpuwarden::cli
