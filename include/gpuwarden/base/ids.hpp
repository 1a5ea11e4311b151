#pragma once

#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace gpuwarden {

/// A string that can't be mixed up with a string of another meaning. Empty = none.
template <class Tag>
class StrongId {
 public:
  StrongId() = default;
  explicit StrongId(std::string value) : value_(std::move(value)) {}
  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }
  auto operator<=>(const StrongId&) const = default;

 private:
  std::string value_;
};

using WorkerId = StrongId<struct WorkerTag>;  ///< also the pod's unique name
using PodId = StrongId<struct PodTag>;        ///< given by Runpod
using TaskId = StrongId<struct TaskTag>;      ///< uuid of a row in tasks

}  // namespace gpuwarden

template <class Tag>
struct std::hash<gpuwarden::StrongId<Tag>> {
  std::size_t operator()(const gpuwarden::StrongId<Tag>& id) const {
    return std::hash<std::string>{}(id.str());
  }
};
