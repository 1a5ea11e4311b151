#include <memory>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>

#include "gpuwarden/supabase/store.hpp"

#include "fakes/loopback_service.hpp"

namespace gpuwarden::supabase {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using fakes::LoopbackService;
using fakes::no_answer;
using http::ServerRequest;
using http::ServerResponse;

TEST(StoreAtExit, CallsUnderWayMayOutliveTheStore) {
  auto io = std::make_unique<asio::io_context>();
  auto client = std::make_unique<http::Client>(io->get_executor());
  auto service = std::make_unique<LoopbackService>(
      *io, LoopbackService::Handler([](ServerRequest) -> asio::awaitable<ServerResponse> {
        asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
        co_await never.async_wait(asio::use_awaitable);
        co_return no_answer();
      }));
  Settings settings;
  settings.url = service->url;
  settings.key = Secret("sb_secret_test_0123456789");
  settings.max_concurrent = 1;
  auto store = std::make_unique<SupabaseStore>(*client, settings);
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(*io, store->tasks("", 1), [&](const std::exception_ptr&, const auto&) { ++ended; });
  }
  while (service->requests.empty()) ASSERT_GT(io->run_one_for(10s), 0U);
  store.reset();
  client.reset();
  service.reset();
  io.reset();
  EXPECT_EQ(ended, 0) << "they are abandoned, not ended";
}

}  // namespace
}  // namespace gpuwarden::supabase
