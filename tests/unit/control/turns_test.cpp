#include "control/turns.hpp"

#include <algorithm>
#include <cctype>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;

TEST(Turns, AreTakenInOrderAndTheLoopDoesOtherThingsBetweenThem) {
  boost::asio::io_context io(1);
  Turns turns;
  std::string happened;
  const auto worker = [&](char name) -> awaitable<void> {
    co_await turns.next();
    happened += name;
    co_await turns.next();
    happened += static_cast<char>(std::toupper(name));
  };
  const auto others = [&]() -> awaitable<void> {
    while (std::count_if(happened.begin(), happened.end(), [](char c) { return c != '.'; }) < 8) {
      happened += '.';
      co_await boost::asio::post(boost::asio::use_awaitable);
    }
  };
  for (const char name : {'a', 'b', 'c', 'd'}) boost::asio::co_spawn(io, worker(name), boost::asio::detached);
  boost::asio::co_spawn(io, others(), boost::asio::detached);
  io.run();
  std::string order = happened;
  std::erase(order, '.');
  EXPECT_EQ(order, "aAbBcCdD") << "each asks for its second turn before the next one asks for its first";
  for (std::size_t at = 1; at < happened.size(); ++at)
    EXPECT_TRUE(happened[at] == '.' || happened[at - 1] == '.') << happened;
}

}  // namespace
}  // namespace gpuwarden::control
