#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/http/client.hpp"

namespace gpuwarden::http {
namespace {

using namespace std::chrono_literals;

Response with(std::string name, std::string value) {
  Response response;
  response.headers = {{std::move(name), std::move(value)}};
  return response;
}

TEST(Response, KnowsJsonByItsMediaType) {
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8", "application/problem+json",
                           "application/vnd.pgrst.object+json;x=1", "application/json ; q=1"}) {
    EXPECT_TRUE(with("content-type", type).is_json()) << type;
  }
  for (const char* type :
       {"text/html", "application/jsonp", "text/json", "", "application/json-seq", "xapplication/json"}) {
    EXPECT_FALSE(with("Content-Type", type).is_json()) << type;
  }
  EXPECT_FALSE(Response().is_json());
}

TEST(Response, ReadsRetryAfterInSecondsAndAsADate) {
  const WallTime now = *parse_time("2026-11-24T01:00:00Z");
  EXPECT_EQ(with("Retry-After", "0").retry_after(now), 0s);
  EXPECT_EQ(with("retry-after", "17").retry_after(now), 17s);
  EXPECT_EQ(with("Retry-After", "Tue, 24 Nov 2026 01:00:30 GMT").retry_after(now), 30s);
  EXPECT_EQ(with("Retry-After", "Tue, 24 Nov 2026 00:00:00 GMT").retry_after(now), 0s);
  for (const char* value : {"", "-3", "soon", "3.5", "12x"}) {
    EXPECT_EQ(with("Retry-After", value).retry_after(now), std::nullopt) << value;
  }
  EXPECT_EQ(Response().retry_after(now), std::nullopt);
}

TEST(UrlEncode, EncodesEverythingButUnreservedCharacters) {
  EXPECT_EQ(url_encode("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(url_encode("a b+c/d?e=f&g%"), "a%20b%2Bc%2Fd%3Fe%3Df%26g%25");
  EXPECT_EQ(url_encode("\xC3\xA9\n"), "%C3%A9%0A");
  EXPECT_EQ(url_encode(""), "");
}

}  // namespace
}  // namespace gpuwarden::http
