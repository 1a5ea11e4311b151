#include "name_words.hpp"

#include <algorithm>
#include <array>

#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

constexpr std::size_t kFarthest = 200;
constexpr std::string_view kOutside = " \t\"'`()[]{}<>,;=|";

bool is_one_of(std::string_view word, const auto& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Weights, pictures and clips: their names say what they are for, never what went wrong.
bool is_data_ending(std::string_view ending) {
  constexpr std::array<std::string_view, 26> kEndings{
      "safetensors", "ckpt", "pt",   "pth",  "gguf", "ggml",    "onnx", "engine", "bin",
      "png",         "jpg",  "jpeg", "webp", "gif",  "mp4",     "webm", "mov",    "mkv",
      "wav",         "mp3",  "flac", "npz",  "npy",  "parquet", "zip",  "gz"};
  return is_one_of(ending, kEndings);
}

bool is_text_ending(std::string_view ending) {
  constexpr std::array<std::string_view, 16> kEndings{"py",  "json", "yaml", "yml",  "toml", "txt",
                                                      "log", "md",   "csv",  "sh",   "js",   "ts",
                                                      "cpp", "hpp",  "cu",   "jsonl"};
  return is_one_of(ending, kEndings);
}

/// What the word before a name calls it.
bool announces_name(std::string_view word) {
  constexpr std::array<std::string_view, 17> kKinds{
      "lora",      "loras",    "adapter", "adapters",     "checkpoint", "ckpt",
      "embedding", "workflow", "preset",  "hypernetwork", "lycoris",    "branch",
      "style",     "node",     "nodes",   "dataset",      "prompt"};
  return is_one_of(word, kKinds);
}

bool is_path(std::string_view word) {
  return word.starts_with("/") || word.starts_with("./") || word.starts_with("../") ||
         word.starts_with("~/") || word.find("://") != std::string_view::npos ||
         std::count(word.begin(), word.end(), '/') >= 2;
}

std::string_view word_before(std::string_view low, std::size_t begin) {
  const std::string_view before = low.substr(0, begin);
  const std::size_t end = before.find_last_not_of(" \t\"'`:=(");
  if (end == std::string_view::npos || begin - end > 4) return {};
  std::size_t from = end;
  while (from > 0 && is_alnum(before[from - 1]) && end - from < kFarthest) --from;
  return before.substr(from, end + 1 - from);
}

}  // namespace

bool is_in_a_name(bool weak, std::string_view low, std::size_t at) {
  std::size_t begin = at;
  while (begin > 0 && at - begin < kFarthest && kOutside.find(low[begin - 1]) == std::string_view::npos)
    --begin;
  std::size_t end = std::min(low.substr(0, at + kFarthest).find_first_of(kOutside, at), low.size());
  // "worker_error.py:88:"
  while (end > at && (low[end - 1] == ':' || low[end - 1] == '.' || is_digit(low[end - 1]))) --end;
  const std::string_view word = low.substr(begin, end - begin);
  const std::size_t dot = word.rfind('.');
  const std::string_view ending = dot == std::string_view::npos ? std::string_view() : word.substr(dot + 1);
  if (dot != std::string_view::npos && begin + dot > at && is_data_ending(ending)) return true;
  if (!weak) return false;
  if (dot != std::string_view::npos && begin + dot > at && is_text_ending(ending)) return true;
  if (is_path(word)) return true;
  return word.find_first_of("_-") != std::string_view::npos && announces_name(word_before(low, begin));
}

bool is_module_path(std::string_view low) {
  constexpr std::size_t kLongest = 100;
  return low.size() >= 2 && low.size() <= kLongest && low.back() == '.' &&
         (is_alpha(low.front()) || low.front() == '_') &&
         std::all_of(low.begin(), low.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.'; });
}

}  // namespace gpuwarden::diagnosis
