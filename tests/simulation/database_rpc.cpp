#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "simulation/database.hpp"

namespace gpuwarden::simulation {

using nlohmann::json;

/// The functions that PostgREST finds: by name and names of arguments. `writes` fail on a database that only
/// reads.
struct Functions {
  using Body = json (Database::*)(const json&, WallTime);
  enum class Type { text, integer, bigint, uuid, texts, document };
  struct Argument {
    std::string_view name;
    Type type;
    bool required{true};
  };
  struct Function {
    std::string_view name;
    Body body;
    bool writes;
    std::vector<Argument> arguments;
  };

  static const std::vector<Function>& all() {
    constexpr bool kOptional = false;
    static const Argument owner{"owner_param", Type::text}, epoch{"epoch_param", Type::bigint},
        worker{"worker_id_param", Type::text}, token{"token_param", Type::text},
        task{"task_id_param", Type::uuid}, attempt{"attempt_param", Type::integer},
        options{"options_param", Type::document}, failure{"failure_param", Type::document};
    static const std::vector<Function> functions{
        {"gpuwarden_snapshot",
         &Database::snapshot,
         false,
         {owner,
          {"holder_param", Type::text, kOptional},
          {"lease_sec_param", Type::integer, kOptional},
          {"options_param", Type::document, kOptional}}},
        {"gpuwarden_queue_depth", &Database::queue_depth, false, {}},
        {"gpuwarden_register_worker",
         &Database::register_worker,
         true,
         {worker, owner, epoch, {"details_param", Type::document}}},
        {"gpuwarden_update_worker",
         &Database::update_worker,
         true,
         {worker, owner, epoch, {"expected_param", Type::texts}, {"change_param", Type::document}}},
        {"gpuwarden_fail_worker", &Database::fail_worker, true, {worker, owner, epoch, failure}},
        {"gpuwarden_add_evidence", &Database::add_evidence, true, {worker, owner, epoch, failure}},
        {"gpuwarden_rescue_tasks", &Database::rescue_tasks, true, {owner, epoch, options}},
        {"gpuwarden_save_state",
         &Database::save_state,
         true,
         {owner, epoch, {"key_param", Type::text}, {"value_param", Type::document}}},
        {"gpuwarden_resign", &Database::resign, true, {owner, epoch, {"holder_param", Type::text}}},
        {"gpuwarden_prune", &Database::prune, true, {owner, epoch, {"days_param", Type::integer}}},
        {"gpuwarden_operator",
         &Database::operate,
         false,  // refuses some words before it writes
         {owner,
          {"command_param", Type::text},
          {"actor_param", Type::text},
          {"reason_param", Type::text},
          {"ttl_sec_param", Type::integer, kOptional}}},
        {"gpuwarden_worker_report",
         &Database::worker_report,
         true,
         {worker, token, {"report_param", Type::document}}},
        {"gpuwarden_claim_task", &Database::claim_task, true, {worker, token}},
        {"gpuwarden_complete_task",
         &Database::complete_task,
         true,
         {worker, token, task, attempt, {"result_param", Type::document, kOptional}}},
        {"gpuwarden_fail_task",
         &Database::fail_task,
         true,
         {worker, token, task, attempt, {"error_param", Type::text, kOptional}}},
        {"func_claim_available_task", &Database::legacy_claim, true, {worker}},
        {"func_mark_task_complete",
         &Database::legacy_complete,
         true,
         {task, {"result_data_param", Type::document, kOptional}}},
        {"func_mark_task_failed",
         &Database::legacy_fail,
         true,
         {task, {"error_message_param", Type::text, kOptional}}},
        {"func_update_worker_heartbeat",
         &Database::legacy_heartbeat,
         true,
         {worker,
          {"vram_total_mb_param", Type::integer, kOptional},
          {"vram_used_mb_param", Type::integer, kOptional}}}};
    return functions;
  }

  static const Function* find(std::string_view name) {
    const auto found =
        std::find_if(all().begin(), all().end(), [&](const Function& each) { return each.name == name; });
    return found == all().end() ? nullptr : &*found;
  }

  static bool takes(const Function& function, const json& given) {
    if (!given.is_object()) return false;
    std::size_t known = 0;
    for (const Argument& argument : function.arguments) {
      const bool there = given.contains(argument.name);
      if (argument.required && !there) return false;
      known += there ? 1 : 0;
    }
    return known == given.size();
  }

  /// Throws where PostgREST could not hand an argument over.
  static void convert(const Argument& argument, const json& given) {
    const char* name = argument.name.data();
    switch (argument.type) {
      case Type::integer:
        (void)sql::integer(given, name);
        break;
      case Type::bigint:
        (void)sql::bigint(given, name);
        break;
      case Type::uuid:
        (void)sql::uuid(given, name);
        break;
      case Type::texts: {
        const json& list = sql::document(given, name);
        if (!list.is_null() && !list.is_array()) throw SqlError("22P02", "expected JSON array");
        break;
      }
      case Type::text:
      case Type::document:
        break;
    }
  }
};

json Database::rpc(std::string_view function, const json& arguments, WallTime now) {
  const auto* found = Functions::find(function);
  if (found == nullptr || !Functions::takes(*found, arguments))
    throw SqlError("PGRST202",
                   fmt::format("Could not find the function public.{} with these arguments", function));
  for (const auto& argument : found->arguments) Functions::convert(argument, arguments);
  if (read_only_ && found->writes)
    throw SqlError("25006", fmt::format("cannot execute {} in a read-only transaction", function));
  return (this->*found->body)(arguments, now);
}

}  // namespace gpuwarden::simulation
