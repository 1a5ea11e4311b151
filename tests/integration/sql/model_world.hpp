#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/time.hpp"

#include "simulation/database.hpp"

namespace gpuwarden::test {

using Json = nlohmann::json;

/// One thing that happens to both databases at the same time.
struct Step {
  std::string function;  ///< a call; empty = `sql` is run by another program
  Json arguments;
  std::string sql;    ///< what another program does, or a read of a whole table
  bool reads{false};  ///< `sql` answers one JSON value
  WallTime at{};
  Json expected;  ///< the model's answer; {"error": SQLSTATE} where it raised one
};

/// The real functions in a database of their own, whose clock is the test's: in the migrations, what reads
/// the clock is replaced by a function that answers the time of the step. So every time and age can be
/// compared to the millisecond, and days pass in no time.
class RealDatabase {
 public:
  RealDatabase();
  /// Runs all steps on empty tables, each in a transaction of its own, and answers what each answered.
  std::vector<Json> run(const std::vector<Step>& steps) const;
  bool has_function(const std::string& name) const;

 private:
  std::string name_{"model"};
};

/// All rows of both sides in the same form: `read_rows` as SQL that answers one JSON value, `rows_of` of the
/// model.
struct Table {
  std::string name, read_rows;
  Json (*rows_of)(const simulation::Database&);
};
const std::vector<Table>& tables();

/// Where two answers differ, in words; empty = nowhere. Numbers may differ by rounding, made-up ids of
/// failures in everything.
std::string difference(const Json& real, const Json& model, const std::string& path = "answer");

/// A time as SQL.
std::string quoted(WallTime at);

}  // namespace gpuwarden::test
