#include "variable.hpp"

namespace gpuwarden::config {

const std::vector<Variable>& table() {
  static const std::vector<Variable> kTable = [] {
    std::vector<Variable> all;
    for (const auto& part : {supabase_variables(), runpod_variables(), scaling_variables(), time_variables(),
                             failure_variables(), worker_variables(), daemon_variables()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return kTable;
}

}  // namespace gpuwarden::config
