#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "integration/sql/model_world.hpp"
#include "simulation/random.hpp"

namespace gpuwarden::test {

/// Makes up what daemons, pods, operators and other programs do, right and wrong, and does it to the model.
class Sequence {
 public:
  Sequence(std::uint64_t seed, bool with_operator);
  /// So many steps, and all tables now and then.
  std::vector<Step> make(int count);
  const simulation::Database& model() const { return model_; }
  const std::map<std::string, int>& reached() const { return reached_; }

 private:
  void one();
  // model_calls.cpp: what the daemon and pods call.
  void snapshot();
  void daemon_call();
  void pod_call();
  void operator_call();
  void legacy_call();
  Json details();
  Json change();
  Json failure();
  Json options();
  Json report();
  Json state_value(const std::string& key);
  Json tail();
  // Other programs.
  void world();
  void add_task();
  void read_only(bool on);

  /// Calls it, one time in fifty with an argument made wrong.
  Json call(std::string function, Json arguments);
  void spoil(Json& arguments);
  void note(const std::string& function, const Json& answer);  ///< what kind of answer it was
  void effect(std::string sql);
  void pass_time();
  void read_tables();
  bool chance(double probability) { return random_.chance(probability); }
  std::string any(const std::vector<std::string>& values) { return random_.one_of(values); }
  std::string owner() { return any({"east", "east", "west"}); }
  /// A known worker, mostly a new one and of this owner.
  std::string worker(const std::string& of = {});
  std::string task();
  std::int64_t epoch(const std::string& owner);
  Json count(int most) { return random_.between(0, most); }

  simulation::Random random_;
  simulation::Database model_;
  bool with_operator_;
  WallTime now_;
  std::vector<Step> steps_;
  std::vector<std::string> workers_, tasks_;
  struct Held {
    std::string worker, task;
    int attempt{0};
  };
  std::vector<Held> held_;
  std::map<std::string, int> reached_;
  int read_only_left_{0};
};

}  // namespace gpuwarden::test
