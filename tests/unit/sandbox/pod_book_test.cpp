#include "sandbox/pod_book.hpp"

#include <gtest/gtest.h>

#include "unit/sandbox/create_bodies.hpp"

namespace gpuwarden::sandbox {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

MonoTime at(Duration time) {
  return MonoTime(time);
}

PodPtr add(PodBook& book, const std::string& name, Duration when = 0ms) {
  auto body = good_create();
  body["name"] = name;
  return book.create(body.dump(), "EU-RO-1", {at(when), WallTime(when)});
}

std::vector<std::string> names(const std::string& page) {
  std::vector<std::string> found;
  const auto answer = json::parse(page);
  for (const auto& pod : answer.at("pods")) found.push_back(pod.at("name"));
  return found;
}

std::string list(const PodBook& book, Duration now, Duration lag = 0ms) {
  return book.list(PageQuery(), at(now), lag, 0);
}

TEST(Paging, NewestPodsComeFirst) {
  PodBook book;
  for (const auto* name : {"a", "b", "c"}) add(book, name);
  EXPECT_EQ(names(list(book, 0ms)), (std::vector<std::string>{"c", "b", "a"}));
}

TEST(Paging, FollowingTheCursorShowsEveryPodOnceWhateverThePageSize) {
  PodBook book;
  for (int number = 0; number < 10; ++number) add(book, std::to_string(number));
  for (const std::size_t limit : {1u, 3u, 5u, 10u, 11u}) {
    PageQuery query;
    query.limit = limit;
    std::vector<std::string> all;
    for (int page = 0; page < 20; ++page) {
      const auto answer = json::parse(book.list(query, at(0ms), 0ms, 0));
      EXPECT_LE(answer.at("pods").size(), limit);
      for (const auto& name : names(answer.dump())) all.push_back(name);
      const auto& pagination = answer.at("pagination");
      EXPECT_EQ(pagination.at("hasNextPage"), !pagination.at("nextCursor").is_null());
      if (pagination.at("nextCursor").is_null()) break;
      query.before = decode_cursor(pagination.at("nextCursor").get<std::string>());
      ASSERT_TRUE(query.before);
    }
    EXPECT_EQ(all, (std::vector<std::string>{"9", "8", "7", "6", "5", "4", "3", "2", "1", "0"})) << limit;
  }
}

TEST(Paging, APageMayHoldFewerThanItsLimit) {
  PodBook book;
  for (const auto* name : {"a", "b", "c"}) add(book, name);
  const auto answer = json::parse(book.list(PageQuery(), at(0ms), 0ms, 2));
  EXPECT_EQ(answer.at("pods").size(), 2u);
  EXPECT_TRUE(answer.at("pagination").at("hasNextPage"));
}

TEST(Paging, LimitsFromOneToAThousandAreTaken) {
  for (const auto& [text, good] : std::map<std::string, bool>{
           {"0", false}, {"1", true}, {"1000", true}, {"1001", false}, {"ten", false}, {"", false}})
    EXPECT_EQ(parse_page({{"limit", text}}).has_value(), good) << text;
}

TEST(Paging, UnknownParametersAreIgnored) {
  EXPECT_TRUE(parse_page({{"status", "RUNNING"}}).has_value());
}

TEST(Paging, OnlyOwnCursorsAreTaken) {
  const auto cursor = encode_cursor(77);
  EXPECT_EQ(decode_cursor(cursor), 77u);
  EXPECT_TRUE(parse_page({{"cursor", cursor}}).has_value());
  for (const auto& bad : {std::string("nonsense"), cursor + "0", cursor.substr(1), std::string()})
    EXPECT_FALSE(parse_page({{"cursor", bad}}).has_value()) << bad;
}

TEST(ListLag, APodAppearsInTheListOnlyAfterTheLag) {
  PodBook book;
  add(book, "young", 1000ms);
  EXPECT_TRUE(names(list(book, 10999ms, 10s)).empty());
  EXPECT_EQ(names(list(book, 11000ms, 10s)).size(), 1u);
}

TEST(ListLag, ADeletedPodStaysInTheListForAsLong) {
  PodBook book;
  const auto pod = add(book, "old");
  ASSERT_TRUE(book.remove(pod->id, at(20s)));
  EXPECT_EQ(names(list(book, 29999ms, 10s)).size(), 1u);
  EXPECT_TRUE(names(list(book, 30000ms, 10s)).empty());
  EXPECT_TRUE(names(list(book, 20000ms)).empty());
}

TEST(PodBook, ADeletedPodIsNotFoundAndNotDeletedTwice) {
  PodBook book;
  const auto pod = add(book, "a");
  EXPECT_TRUE(book.remove(pod->id, at(1s)));
  EXPECT_FALSE(book.find(pod->id));
  EXPECT_FALSE(book.remove(pod->id, at(2s)));
  EXPECT_EQ(book.deletes(), 1);
}

TEST(PodBook, ASecondPodOfOneNameIsCounted) {
  PodBook book;
  add(book, "a");
  add(book, "b");
  EXPECT_EQ(book.duplicate_names(), 0);
  book.remove(add(book, "a")->id, at(1s));
  EXPECT_EQ(book.duplicate_names(), 1);
}

TEST(PodJson, SshIsMappedOnlyWhileThePodRuns) {
  PodBook book;
  const auto pod = add(book, "a");
  pod->ssh_port = 2022;
  EXPECT_TRUE(json::parse(pod_json(*pod, at(0ms))).at("ssh").at("direct").is_null());
  pod->state = PodState::running;
  pod->running_since = at(1s);
  const auto running = json::parse(pod_json(*pod, at(43s)));
  EXPECT_EQ(running.at("ssh").at("direct").at("port"), 2022);
  EXPECT_EQ(running.at("runtime").at("uptime"), 42);
  EXPECT_EQ(running.at("cost"), 0.44);
  pod->state = PodState::exited;
  const auto exited = json::parse(pod_json(*pod, at(43s)));
  EXPECT_TRUE(exited.at("runtime").is_null());
  EXPECT_EQ(exited.at("cost"), 0.0);
}

}  // namespace
}  // namespace gpuwarden::sandbox
