#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::cli {

enum class Colour { none, green, yellow, red, dim, bold };
/// `text` in a colour of the terminal, or as it is.
std::string paint(std::string_view text, Colour colour, bool enabled);

/// Columns that a terminal needs for UTF-8 text: 2 for East Asian wide characters and emoji, 0 for combining
/// marks.
std::size_t display_width(std::string_view text);
/// At most `width` columns, with "…" where something was cut.
std::string fit(std::string_view text, std::size_t width);

struct Column {
  std::string title;
  bool right{false};       ///< numbers
  bool may_shrink{false};  ///< cut first when the table is too wide
};
struct Cell {
  std::string text;
  Colour colour{Colour::none};
};

/// Rows under headings, aligned by display width, two blanks apart. Columns that may shrink are cut until the
/// table fits; the last column is not padded.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// Control characters in the cells become blanks; an empty cell shows "-".
  void add(std::vector<Cell> row);
  bool empty() const { return rows_.empty(); }
  void print(std::ostream& out, int width, bool colour, std::string_view indent = "") const;

 private:
  std::vector<std::size_t> widths(std::size_t available) const;
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace gpuwarden::cli
