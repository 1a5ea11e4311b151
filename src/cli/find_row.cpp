#include "find_row.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace gpuwarden::cli {
namespace {

constexpr int kMostRows = 1000;
constexpr std::size_t kLeastPart = 3;  // shorter ones fit everything
constexpr std::size_t kMostNamed = 5;

tl::unexpected<Error> none(std::string_view kind, const std::string& id) {
  return fail(ErrorKind::not_found, fmt::format("there is no {} '{}'", kind, id));
}

tl::unexpected<Error> several(std::string_view kind, const std::string& id,
                              const std::vector<std::string>& fitting) {
  std::string names;
  for (std::size_t i = 0; i < std::min(fitting.size(), kMostNamed); ++i)
    names += (i == 0 ? "" : ", ") + fitting[i];
  if (fitting.size() > kMostNamed) names += ", ...";
  return fail(ErrorKind::invalid_input,
              fmt::format("'{}' fits {} {}s: {}. Type more of it", id, fitting.size(), kind, names));
}

/// PostgREST refuses anything else where a uuid is asked for.
bool is_uuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const std::string_view allowed = dash ? "-" : "0123456789abcdefABCDEF";
    if (allowed.find(text[i]) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

ports::Async<ports::WorkerRow> find_worker(const Scope& scope, std::string id) {
  ports::TaskStore& store = *scope.services.store;
  auto exact = co_await store.worker(WorkerId(id));
  if (!exact) co_return fail(exact.error());
  if (*exact) co_return std::move(**exact);
  if (id.size() < kLeastPart) co_return none("worker", id);
  const auto rows = co_await store.workers(scope.config().policy.owner, true, kMostRows);
  if (!rows) co_return fail(rows.error());
  std::vector<std::string> fitting;
  for (const ports::WorkerRow& row : *rows) {
    if (row.pod == id || row.id.starts_with(id) || row.id.ends_with(id)) fitting.push_back(row.id);
  }
  if (fitting.empty()) co_return none("worker", id);
  if (fitting.size() > 1) co_return several("worker", id, fitting);
  auto found = co_await store.worker(WorkerId(fitting.front()));
  if (!found) co_return fail(found.error());
  if (!*found) co_return none("worker", id);
  co_return std::move(**found);
}

ports::Async<ports::TaskStory> find_task(const Scope& scope, std::string id) {
  ports::TaskStore& store = *scope.services.store;
  if (!is_uuid(id)) {
    const auto rows = co_await store.tasks("", kMostRows);
    if (!rows) co_return fail(rows.error());
    std::vector<std::string> fitting;
    for (const ports::TaskRow& row : *rows) {
      if (row.id == id || (id.size() >= kLeastPart && row.id.starts_with(id))) fitting.push_back(row.id);
    }
    if (fitting.empty()) co_return none("task", id);
    if (fitting.size() > 1) co_return several("task", id, fitting);
    id = fitting.front();
  }
  auto story = co_await store.task(TaskId(id));
  if (!story) co_return fail(story.error());
  if (!*story) co_return none("task", id);
  co_return std::move(**story);
}

}  // namespace gpuwarden::cli
