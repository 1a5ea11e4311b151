#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace gpuwarden {

/// A value that must not be printed. There is no conversion and no operator<<; `reveal()` marks each use.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  bool empty() const { return value_.empty(); }
  std::string_view reveal() const { return value_; }
  bool operator==(const Secret&) const = default;

 private:
  std::string value_;
};

}  // namespace gpuwarden
