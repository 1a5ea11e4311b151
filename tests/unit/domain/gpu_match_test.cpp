#include "gpuwarden/domain/gpu_match.hpp"

#include <gtest/gtest.h>

namespace gpuwarden {
namespace {

std::vector<GpuOffer> catalogue() {
  std::vector<GpuOffer> offers(3);
  offers[0].id = "NVIDIA A40";
  offers[0].name = "L4";  // another's id: ids go first
  offers[1].id = "L4";
  offers[1].name = "NVIDIA L4";
  offers[2].id = "NVIDIA GeForce RTX 4090";
  offers[2].name = "RTX 4090";
  return offers;
}

TEST(GpuMatch, FindsATypeByIdOrDisplayNameInAnyCase) {
  const auto offers = catalogue();
  for (const char* wanted : {"NVIDIA GeForce RTX 4090", "nvidia geforce rtx 4090", "rtx 4090"})
    EXPECT_EQ(find_gpu(offers, wanted), &offers[2]) << wanted;
}

TEST(GpuMatch, TakesAnIdBeforeAName) {
  const auto offers = catalogue();
  EXPECT_EQ(find_gpu(offers, "l4"), &offers[1]);
}

TEST(GpuMatch, FindsNothingByAPartOfAName) {
  const auto offers = catalogue();
  EXPECT_EQ(find_gpu(offers, "4090"), nullptr);
  EXPECT_EQ(find_gpu(offers, "RTX 4090 "), nullptr);
  EXPECT_EQ(find_gpu(offers, ""), nullptr);
  EXPECT_EQ(find_gpu({}, "L4"), nullptr);
}

}  // namespace
}  // namespace gpuwarden
