#include "process.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <random>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace gpuwarden::app {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

std::string unquote(std::string_view value) {
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front()) {
    value = value.substr(1, value.size() - 2);
  }
  return std::string(value);
}

Result<void> overlay(std::string_view text, const std::string& path,
                     std::map<std::string, std::string>& environment) {
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const std::size_t equals = line.find('=');
    const std::string_view name = trim(line.substr(0, equals));
    const bool good = equals != std::string_view::npos && !name.empty() &&
                      std::all_of(name.begin(), name.end(), [](char c) {
                        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
                      });
    if (!good) {
      return fail(ErrorKind::invalid_input, fmt::format("{} line {}: expected NAME=VALUE", path, number));
    }
    environment[std::string(name)] = unquote(trim(line.substr(equals + 1)));
  }
  return {};
}

}  // namespace

void harden_process() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

Result<config::Source> read_source() {
  config::Source source = config::process_source();
  const auto named = source.environment.find("GPUWARDEN_ENV_FILE");
  if (named == source.environment.end()) return source;
  const std::string path = named->second;
  source.environment.erase(named);
  const auto text = source.read_file(path);
  if (!text) return fail(text.error().within("GPUWARDEN_ENV_FILE " + path));
  const auto read = overlay(*text, path, source.environment);
  if (!read) return fail(read.error());
  return source;
}

std::string holder_name() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::random_device random;
  return fmt::format("{}:{}:{:08x}", host.data(), getpid(), random());
}

}  // namespace gpuwarden::app
