#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "gpuwarden/runpod/provider.hpp"

#include "fakes/loopback_service.hpp"

namespace gpuwarden::runpod {

class FixedClock : public ports::Clock {
 public:
  MonoTime now() const override { return time; }
  WallTime wall() const override { return WallTime{} + std::chrono::hours(1000); }
  boost::asio::awaitable<void> sleep_for(Duration) override { co_return; }
  MonoTime time{std::chrono::hours(1)};
};

inline Settings quick(std::string url) {
  Settings settings;
  settings.url = std::move(url);
  settings.api_key = Secret("rpa_test_0123456789");
  settings.retry_base = std::chrono::milliseconds(1);
  return settings;
}

/// A provider whose service answers by a function of the test.
class Provider : public ::testing::Test {
 protected:
  fakes::LoopbackService& serve(fakes::LoopbackService::Answer answer) {
    service_ = std::make_unique<fakes::LoopbackService>(io_, std::move(answer));
    return *service_;
  }
  RunpodProvider provider() { return RunpodProvider(client_, clock_, quick(service_->url + "/v2/")); }

  boost::asio::io_context io_;
  http::Client client_{io_.get_executor()};
  FixedClock clock_;
  std::unique_ptr<fakes::LoopbackService> service_;
};

}  // namespace gpuwarden::runpod
