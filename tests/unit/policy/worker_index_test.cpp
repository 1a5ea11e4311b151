#include "policy/worker_index.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gpuwarden::policy {
namespace {

TEST(WorkerIndex, FindsEveryWorkerAndNobodyElse) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("gpu-default-20261124000000-" + std::to_string(i));
  WorkerIndex index;
  EXPECT_EQ(index.find("gpu"), std::nullopt);
  index.reset(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_TRUE(index.add(names[i], i));
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(index.find(std::string(names[i])), i);
  EXPECT_EQ(index.find("gpu-default-20261124000000-1000"), std::nullopt);
  EXPECT_EQ(index.find(""), std::nullopt);
}

TEST(WorkerIndex, KeepsTheFirstOfTwoOfOneName) {
  WorkerIndex index;
  index.reset(2);
  EXPECT_TRUE(index.add("a", 7));
  EXPECT_FALSE(index.add("a", 8));
  EXPECT_EQ(index.find("a"), 7U);
  index.reset(2);
  EXPECT_EQ(index.find("a"), std::nullopt);
}

}  // namespace
}  // namespace gpuwarden::policy
