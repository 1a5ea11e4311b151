// What a pod can do that holds the publishable key and its token: report, claim, complete and fail its own
// tasks. The lists of functions and tables come from the catalogue, so that a new one cannot be forgotten.
#include <set>

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

const std::set<std::string> kForPods{"gpuwarden_worker_report", "gpuwarden_claim_task",
                                     "gpuwarden_complete_task", "gpuwarden_fail_task"};

class Rights : public SqlTest {
 protected:
  /// Every function in the exposed schema, with the names and types of its parameters.
  Json functions() {
    return project().rows(
        "select p.oid::regprocedure::text as signature, p.proname as name, coalesce(to_json(p.proargnames), "
        "'[]') as names, "
        "p.pronargs as given, array(select format_type(t, null) from unnest(p.proargtypes) t) as types, "
        "has_function_privilege('anon', p.oid, 'execute') as anon, "
        "has_function_privilege('authenticated', p.oid, 'execute') as authenticated, p.prosecdef as definer, "
        "coalesce(array_to_string(p.proconfig, ','), '') as config "
        "from pg_proc p where p.pronamespace = 'public'::regnamespace order by 1");
  }
  Json tables() {
    return project().rows(
        "select c.relname as name, c.relrowsecurity as rls from pg_class c where c.relnamespace = "
        "'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') order by 1");
  }
  static Json value_for(const std::string& type) {
    if (type == "integer" || type == "bigint" || type == "double precision") return 1;
    if (type == "jsonb") return Json::object();
    if (type == "boolean") return true;
    if (type == "uuid") return "00000000-0000-0000-0000-000000000000";
    if (type.ends_with("[]")) return Json::array();
    return "x";
  }
  static Json arguments_of(const Json& function) {
    Json arguments = Json::object();
    const auto given = function.at("given").get<std::size_t>();
    for (std::size_t i = 0; i < given && i < function.at("names").size(); ++i)
      arguments[function.at("names").at(i)] = value_for(function.at("types").at(i));
    return arguments;
  }
  /// Everything that the tables hold, to see that nothing changed.
  std::string fingerprint() {
    std::string all;
    for (const auto& table : tables()) {
      const auto name = table.at("name").get<std::string>();
      all += name +
             project()
                 .rows("select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from public." +
                       name + " t")
                 .dump();
    }
    return all;
  }
};

TEST_F(Rights, EveryFunctionButTheFourForPodsIsRefusedToAPodWithItsToken) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  const auto before = fingerprint();
  int tried = 0;
  for (const auto& function : functions()) {
    const auto name = function.at("name").get<std::string>();
    if (kForPods.contains(name)) continue;
    EXPECT_FALSE(function.at("anon")) << function.at("signature");
    EXPECT_FALSE(function.at("authenticated")) << function.at("signature");
    auto arguments = arguments_of(function);
    if (arguments.contains("worker_id_param")) arguments["worker_id_param"] = pod.id;
    const auto answer = project().rpc(name, arguments, Key::publishable);
    const bool refused = answer.status == 401 && answer.body.value("code", "") == "42501";
    // Functions over rows of a table are no calls for PostgREST.
    const bool not_exposed = answer.status == 404;
    EXPECT_TRUE(refused || not_exposed) << name << ": " << answer.status << " " << answer.text;
    ++tried;
  }
  EXPECT_GE(tried, 20);
  EXPECT_EQ(fingerprint(), before);
}

TEST_F(Rights, TheFourFunctionsForPodsAreRefusedWithoutTheRightToken) {
  const auto mine = worker("aaaaaaaa");
  const auto other = worker("bbbbbbbb");
  const auto id = add_task();
  const auto held = other.claim();
  ASSERT_EQ(held.at("id"), id);
  const auto before = fingerprint();
  int seen = 0;
  for (const auto& function : functions()) {
    const auto name = function.at("name").get<std::string>();
    if (!kForPods.contains(name)) continue;
    ++seen;
    auto arguments = arguments_of(function);
    if (arguments.contains("task_id_param")) arguments["task_id_param"] = id;
    for (const auto& [worker_id, token] :
         std::vector<std::pair<Json, Json>>{{other.id, mine.token},
                                            {other.id, ""},
                                            {other.id, nullptr},
                                            {other.id, "x"},
                                            {"gpu-nobody", mine.token},
                                            {nullptr, nullptr},
                                            {other.id, sha256_hex(other.token)}}) {
      arguments["worker_id_param"] = worker_id;
      arguments["token_param"] = token;
      for (const Key key : {Key::publishable, Key::secret}) {
        const auto answer = project().rpc(name, arguments, key);
        EXPECT_EQ(answer.status, 403) << name << " " << arguments << " " << answer.text;
        EXPECT_EQ(answer.body.value("message", ""), "gpuwarden: unknown worker or wrong token");
      }
    }
    arguments.erase("token_param");
    const auto bare = project().rpc(name, arguments, Key::publishable);
    EXPECT_TRUE(bare.status == 404 || bare.status == 403) << name << " " << bare.text;
  }
  EXPECT_EQ(seen, 4);
  EXPECT_EQ(fingerprint(), before);
}

TEST_F(Rights, AWorkerWithoutATokenIsReachedByNobody) {
  const auto pod = worker("aaaaaaaa");
  project().exec("update public.gpuwarden_workers set token_hash = null");
  for (const auto& token : {Json(""), Json(nullptr), Json(pod.token)})
    EXPECT_EQ(project()
                  .rpc("gpuwarden_claim_task", {{"worker_id_param", pod.id}, {"token_param", token}},
                       Key::publishable)
                  .status,
              403);
}

TEST_F(Rights, APodReachesOnlyItsOwnTasks) {
  const auto mine = worker("aaaaaaaa");
  const auto other = worker("bbbbbbbb");
  const auto id = add_task();
  const auto task = other.claim();
  ASSERT_EQ(task.at("id"), id);
  EXPECT_FALSE(mine.complete(task).at("accepted"));
  EXPECT_FALSE(mine.fail(task, "mischief").at("accepted"));
  EXPECT_TRUE(mine.claim().is_null());
  EXPECT_EQ(this->task(id).at("status"), "In Progress");
  EXPECT_EQ(this->task(id).at("worker_id"), other.id);
  // The right one can do all four.
  EXPECT_EQ(other.report({{"kind", "ping"}}).status, 200);
  EXPECT_TRUE(other.fail(task, "really").at("accepted"));
  const auto again = other.claim();
  EXPECT_TRUE(other.complete(again, {{"url", "x"}}).at("accepted"));
}

TEST_F(Rights, EveryTableIsClosedToThePublishableKey) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  fail_worker(pod.id, "worker_crashed");
  const auto before = fingerprint();
  int seen = 0;
  for (const auto& table : tables()) {
    const auto path = "/rest/v1/" + table.at("name").get<std::string>();
    ++seen;
    EXPECT_TRUE(table.at("rls")) << path;
    for (const auto& [method, query, body] :
         std::vector<std::tuple<std::string, std::string, Json>>{{"GET", "", nullptr},
                                                                 {"POST", "", Json::object()},
                                                                 {"PATCH", "", Json{{"owner", "me"}}},
                                                                 {"DELETE", "", nullptr}}) {
      const auto answer = project().call(method, path + query, Key::publishable, body);
      EXPECT_TRUE(answer.status == 401 || answer.status == 404 || answer.status == 400)
          << method << " " << path << ": " << answer.status << answer.text;
      EXPECT_EQ(answer.text.find("gpu-test-"), std::string::npos);
    }
    EXPECT_EQ(project().call("GET", path, Key::publishable).status, 401) << path;
    EXPECT_EQ(project().call("GET", path, Key::none).status, 401) << path;
    EXPECT_EQ(project().call("GET", path, Key::secret).status, 200) << path;
  }
  EXPECT_GE(seen, 8);
  EXPECT_EQ(fingerprint(), before);
}

TEST_F(Rights, FunctionsThatRunAsTheirOwnerHaveAFixedSearchPath) {
  for (const auto& function : functions()) {
    if (!function.at("definer").get<bool>()) continue;
    EXPECT_TRUE(function.at("config").get<std::string>().starts_with("search_path=public, pg_temp"))
        << function.at("signature");
  }
}

TEST_F(Rights, ThePodsTokenIsStoredOnlyAsItsHash) {
  const auto pod = worker("aaaaaaaa");
  pod.report({{"kind", "heartbeat"}});
  for (const auto& table : tables())
    EXPECT_EQ(project()
                  .rows("select 1 from public." + table.at("name").get<std::string>() +
                        " t where t::text like '%token of%'")
                  .size(),
              0U);
  EXPECT_EQ(
      project().ask("gpuwarden_get_worker", {{"worker_id_param", pod.id}}).dump().find(sha256_hex(pod.token)),
      std::string::npos);
}

TEST_F(Rights, NothingIsGrantedToPodsOnProjectsWhoseDefaultsGrantNothing) {
  sandbox::PostgresOptions options;
  auto& server = Server::get();
  server.query("postgres", "drop database if exists closed_defaults with (force)");
  server.query("postgres", "create database closed_defaults owner postgres");
  server.query("closed_defaults",
               "alter schema public owner to postgres; grant usage on schema public to anon, authenticated, "
               "service_role");
  server.migrate("closed_defaults");
  const auto granted = server.rows("closed_defaults",
                                   "select proname from pg_proc where pronamespace = 'public'::regnamespace "
                                   "and has_function_privilege('anon', oid, 'execute')");
  EXPECT_EQ(granted.size(), kForPods.size()) << granted;
  const auto service =
      server.rows("closed_defaults",
                  "select n.name from unnest(public.gpuwarden_required_functions()) n(name) where not exists "
                  "(select 1 from pg_proc p where "
                  "p.proname = n.name and has_function_privilege('service_role', p.oid, 'execute'))");
  EXPECT_EQ(service.size(), 0U) << service;
  const auto tables = server.rows(
      "closed_defaults",
      "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and not "
      "has_table_privilege('service_role', oid, 'select, insert, update, delete')");
  EXPECT_EQ(tables.size(), 0U) << tables;
}

}  // namespace
}  // namespace gpuwarden::test
