#include "gpuwarden/supabase/log_rows.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/supabase/store.hpp"

#include "json_fields.hpp"
#include "rpc.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;

json or_null(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

bool is_uuid(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return text.size() == kForm.size() &&
         std::equal(text.begin(), text.end(), kForm.begin(), [](unsigned char c, char form) {
           return form == '-' ? c == '-' : std::isxdigit(c) != 0;
         });
}

int count(const json& answer, const char* name, int otherwise) {
  const auto found = answer.find(name);
  return found != answer.end() && found->is_number_integer() ? found->get<int>() : otherwise;
}

}  // namespace

std::string insert_logs_request(const std::vector<LogRow>& rows) {
  json logs = json::array();
  for (const LogRow& row : rows) {
    json metadata = json::object();
    for (const auto& [name, value] : row.fields) metadata[name] = value;
    logs.push_back({{"timestamp", format_time_ms(row.at)},
                    {"source_type", "orchestrator_gpu"},
                    {"source_id", row.source},
                    {"log_level", row.level},
                    {"message", row.message},
                    {"worker_id", or_null(row.worker)},
                    {"task_id", is_uuid(row.task) ? json(row.task) : json(nullptr)},
                    {"cycle_number", row.cycle},
                    {"metadata", std::move(metadata)}});
  }
  return to_body({{"logs", std::move(logs)}});
}

LogsStored parse_logs_stored(std::string_view body, std::size_t sent) {
  const json answer = json::parse(body, nullptr, false);
  const int all = static_cast<int>(sent);
  if (!answer.is_object()) return {all, 0};
  const int refused = std::clamp(count(answer, "errors", 0), 0, all);
  return {std::clamp(count(answer, "inserted", all - refused), 0, all), refused};
}

ports::Async<LogsStored> SupabaseStore::insert_logs(std::vector<LogRow> rows) {
  Call call;
  call.name = "func_insert_logs_batch";
  call.path = "/rest/v1/rpc/func_insert_logs_batch";
  call.body = insert_logs_request(rows);
  call.effect = Effect::write;
  call.repeatable = false;
  const auto answer = co_await rpc_->post(std::move(call));
  if (answer) co_return parse_logs_stored(answer->body, rows.size());
  // A function of the project's own that returns nothing: 204 without a body.
  if (answer.error().kind == ErrorKind::malformed && answer.error().http_status < 300)
    co_return LogsStored{static_cast<int>(rows.size()), 0};
  co_return fail(answer.error());
}

}  // namespace gpuwarden::supabase
