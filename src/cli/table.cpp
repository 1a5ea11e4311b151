#include "table.hpp"

#include <algorithm>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 8;  // a column is not cut below this

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::none:
      return "";
    case Colour::green:
      return "\x1b[32m";
    case Colour::yellow:
      return "\x1b[33m";
    case Colour::red:
      return "\x1b[31m";
    case Colour::dim:
      return "\x1b[2m";
    case Colour::bold:
      return "\x1b[1m";
  }
  return "";
}

}  // namespace

std::string paint(std::string_view text, Colour colour, bool enabled) {
  if (!enabled || colour == Colour::none || text.empty()) return std::string(text);
  return std::string(code_of(colour)).append(text).append("\x1b[0m");
}

void Table::add(std::vector<Cell> row) {
  row.resize(columns_.size());
  for (Cell& cell : row) {
    cell.text = printable(cell.text);
    std::replace(cell.text.begin(), cell.text.end(), '\t', ' ');
    if (cell.text.empty()) cell.text = "-";
  }
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::widths(std::size_t available) const {
  std::vector<std::size_t> widths;
  std::size_t total = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[i].text));
    widths.push_back(width);
    total += width + (i == 0 ? 0 : kGap);
  }
  while (total > available) {
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].may_shrink && widths[i] > kNarrowest &&
          (widest == columns_.size() || widths[i] > widths[widest]))
        widest = i;
    }
    if (widest == columns_.size()) break;
    --widths[widest];
    --total;
  }
  return widths;
}

void Table::print(std::ostream& out, int width, bool colour, std::string_view indent) const {
  const std::size_t room = static_cast<std::size_t>(std::max(width, 20)) - indent.size();
  const std::vector<std::size_t> sizes = widths(room);
  const auto line = [&](const auto& text_of, const auto& colour_of) {
    std::string text(indent);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i != 0) text.append(kGap, ' ');
      const std::string cell = fit(text_of(i), sizes[i]);
      const std::string padding(sizes[i] - std::min(sizes[i], display_width(cell)), ' ');
      if (columns_[i].right) text += padding;
      text += paint(cell, colour_of(i), colour);
      if (!columns_[i].right && i + 1 != columns_.size()) text += padding;
    }
    out << text << '\n';
  };
  line([&](std::size_t i) -> const std::string& { return columns_[i].title; },
       [](std::size_t) { return Colour::dim; });
  for (const auto& row : rows_) {
    line([&](std::size_t i) -> const std::string& { return row[i].text; },
         [&](std::size_t i) { return row[i].colour; });
  }
}

}  // namespace gpuwarden::cli
