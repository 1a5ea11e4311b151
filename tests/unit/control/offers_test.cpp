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

TEST(ResolvedOffers, FollowTheOperatorsOrderOfTypesThenPlaces) {
  GpuOffer other = gpu();
  other.id = other.name = "L4";
  const ResolvedOffers resolved =
      resolve_offers(wanting({"L4", "RTX 4090"}, {"EU-RO-1", "US-KS-2"}), {gpu(), other}, {});
  std::vector<std::string> order;
  for (const policy::Offer& offer : resolved.offers) {
    EXPECT_EQ(offer.preference, static_cast<int>(order.size()));
    order.push_back(offer.placement.gpu + " " + offer.placement.data_center);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"L4 EU-RO-1", "L4 US-KS-2", "NVIDIA GeForce RTX 4090 EU-RO-1",
                                             "NVIDIA GeForce RTX 4090 US-KS-2"}));
}

TEST(ResolvedOffers, OfAnyCloudAreCandidatesOfOnePreferenceWithThePriceOfEach) {
  policy::Settings settings = wanting({"RTX 4090"}, {"EU-RO-1", "US-KS-2"});
  settings.any_cloud = true;
  GpuOffer cheap = gpu();
  cheap.price_per_hr = 0.3;
  const ResolvedOffers resolved = resolve_offers(settings, {gpu()}, {}, {cheap});
  ASSERT_EQ(resolved.offers.size(), 4U);
  EXPECT_EQ(resolved.offers[0].placement.cloud, Cloud::secure);
  EXPECT_EQ(resolved.offers[0].placement.price_per_hr, 0.44);
  EXPECT_EQ(resolved.offers[1].placement.cloud, Cloud::community);
  EXPECT_EQ(resolved.offers[1].placement.price_per_hr, 0.3);
  EXPECT_EQ(resolved.offers[0].preference, resolved.offers[1].preference);
  EXPECT_LT(resolved.offers[1].preference, resolved.offers[2].preference);
}

TEST(ResolvedOffers, OfAnyCloudAskOnlyWhereTheCatalogueHasTheTypeAndNeverForAVolumeInTheCommunity) {
  policy::Settings settings = wanting({"RTX 4090"});
  settings.any_cloud = true;
  ResolvedOffers resolved = resolve_offers(settings, {}, {}, {gpu()});
  ASSERT_EQ(resolved.offers.size(), 1U);
  EXPECT_EQ(resolved.offers[0].placement.cloud, Cloud::community);
  EXPECT_TRUE(resolved.problems.empty());
  resolved = resolve_offers(settings, {gpu()}, {}, {});
  ASSERT_EQ(resolved.offers.size(), 1U);
  EXPECT_EQ(resolved.offers[0].placement.cloud, Cloud::secure);
  settings.volume_names = {"models"};
  resolved = resolve_offers(settings, {gpu()}, {{"v1", "models", "EU-RO-1", 100}}, {gpu()});
  ASSERT_EQ(resolved.offers.size(), 1U);
  EXPECT_EQ(resolved.offers[0].placement.cloud, Cloud::secure);
}

}  // namespace
}  // namespace gpuwarden::control
