#include "evidence_bound.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

namespace gpuwarden::ports {
namespace {

constexpr std::string_view kDots = "…";
constexpr std::size_t kGapBytes = 40;  // "… 123456 lines left out …" with quotes and comma

constexpr std::array<std::string_view, 16> kErrorWords{
    "error",  "exception", "traceback",     "fatal",    "failed",   "killed", "denied",       "not found",
    "cannot", "no such",   "out of memory", "no space", "segfault", "panic",  "unrecognized", "xid"};

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

}  // namespace

std::string cut_middle(std::string_view text, std::size_t max) {
  if (text.size() <= max) return std::string(text);
  if (max <= kDots.size()) return std::string(max, '.');
  const std::size_t room = max - kDots.size();
  std::size_t head = room / 2;
  std::size_t tail = text.size() - (room - head);
  while (head > 0 && is_continuation(text[head])) --head;
  while (tail < text.size() && is_continuation(text[tail])) ++tail;
  return std::string(text.substr(0, head)).append(kDots).append(text.substr(tail));
}

std::vector<std::size_t> share_out(const std::vector<std::size_t>& claims, std::size_t total) {
  std::vector<std::size_t> order(claims.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return claims[a] < claims[b]; });
  std::vector<std::size_t> shares(claims.size());
  std::size_t open = claims.size();
  for (const std::size_t i : order) {
    shares[i] = std::min(claims[i], total / open);
    total -= shares[i];
    --open;
  }
  return shares;
}

bool looks_like_error(std::string_view line) {
  std::string lower;
  lower.reserve(line.size());
  std::transform(line.begin(), line.end(), std::back_inserter(lower),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::any_of(kErrorWords.begin(), kErrorWords.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

std::vector<std::string> texts_of(const std::vector<SizedLine>& lines) {
  std::vector<std::string> texts;
  texts.reserve(lines.size());
  for (const SizedLine& line : lines) texts.push_back(line.text);
  return texts;
}

std::vector<std::string> keep_ends(const std::vector<SizedLine>& lines, std::size_t max_bytes) {
  constexpr std::size_t kMostGaps = 3;  // around the first and the last error-like line
  const std::size_t reserved = kMostGaps * kGapBytes;
  if (max_bytes < reserved) return {};
  std::size_t room = max_bytes - reserved;
  std::vector<bool> kept(lines.size(), false);
  const auto keep = [&](std::size_t i) {
    if (kept[i]) return true;
    if (lines[i].bytes > room) return false;
    kept[i] = true;
    room -= lines[i].bytes;
    return true;
  };
  std::vector<std::size_t> errors;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (looks_like_error(lines[i].text)) errors.push_back(i);
  }
  if (!errors.empty()) {
    keep(errors.back());
    keep(errors.front());
  }
  // Three lines of the end for one of the beginning: a fault is told at the end.
  std::size_t front = 0;
  std::size_t back = lines.size();
  for (std::size_t turn = 0; front < back; ++turn) {
    if (!(turn % 4 == 3 ? keep(front++) : keep(--back))) break;
  }
  std::vector<std::string> out;
  std::size_t gap = 0;
  const auto close_gap = [&] {
    if (gap > 0) out.push_back(fmt::format("… {} lines left out …", gap));
    gap = 0;
  };
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!kept[i]) {
      ++gap;
      continue;
    }
    close_gap();
    out.push_back(lines[i].text);
  }
  close_gap();
  return out;
}

}  // namespace gpuwarden::ports
