#include "gpuwarden/control/offers.hpp"

#include <gtest/gtest.h>

namespace gpuwarden::control {
namespace {

policy::Settings wanting(std::vector<std::string> gpus, std::vector<std::string> data_centers = {}) {
  policy::Settings settings;
  settings.gpu_types = std::move(gpus);
  settings.data_centers = std::move(data_centers);
  return settings;
}

GpuOffer gpu() {
  return {"NVIDIA GeForce RTX 4090", "RTX 4090", 0.44, StockLevel::low, {{"EU-RO-1", StockLevel::high}}, 24};
}

TEST(ResolvedOffers, ResolveAGpuTypeInAnyCaseToItsCatalogueId) {
  for (const char* wanted : {"nvidia geforce rtx 4090", "rtx 4090", "RTX 4090"}) {
    const ResolvedOffers resolved = resolve_offers(wanting({wanted}), {gpu()}, {});
    ASSERT_EQ(resolved.offers.size(), 1U);
    EXPECT_EQ(resolved.offers[0].placement.gpu, "NVIDIA GeForce RTX 4090");
    EXPECT_DOUBLE_EQ(resolved.offers[0].placement.price_per_hr, 0.44);
    EXPECT_TRUE(resolved.problems.empty());
  }
}

TEST(ResolvedOffers, TakeADataCentreThatTheCatalogueDoesNotListForAGpuAsOutOfStock) {
  ResolvedOffers resolved = resolve_offers(wanting({"RTX 4090"}, {"EU-RO-1", "US-KS-2"}), {gpu()}, {});
  ASSERT_EQ(resolved.offers.size(), 2U);
  EXPECT_EQ(resolved.offers[0].stock, StockLevel::high);
  EXPECT_EQ(resolved.offers[1].stock, StockLevel::none);
  GpuOffer silent = gpu();
  silent.stock_by_data_center.clear();
  resolved = resolve_offers(wanting({"RTX 4090"}, {"US-KS-2"}), {silent}, {});
  EXPECT_EQ(resolved.offers[0].stock, StockLevel::unknown);
}

TEST(ResolvedOffers, NameAGpuTypeThatTheCatalogueLacksAndStillTryIt) {
  const ResolvedOffers resolved = resolve_offers(wanting({"RTX 4091"}), {gpu()}, {});
  EXPECT_EQ(resolved.problems.size(), 1U);
  ASSERT_EQ(resolved.offers.size(), 1U);
  EXPECT_EQ(resolved.offers[0].placement.gpu, "RTX 4091");
}

}  // namespace
}  // namespace gpuwarden::control
