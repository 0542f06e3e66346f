// What a process has connected is its own: a forked child is told so, and takes nothing from its parent.
#include <gtest/gtest.h>

#include <optional>

#include "tests/client/client_fixture.h"
#include "tests/support/child.h"

namespace framering::testing {
namespace {

class ForkTest : public ClientTest {
 protected:
  // In a child: whether the call throws `forked`, with a hint.
  template <class Call>
  static bool is_forked(Call&& call) {
    try {
      call();
      return false;
    } catch (const Error& error) {
      return error.code() == ErrorCode::forked && !error.hint().empty();
    }
  }
};

TEST_F(ForkTest, EveryCallInAForkedChildSaysSo) {
  Stream stream = open_moving({.wake_fd = true});
  const auto frame = stream.next(kLong);
  Child child([&] {
    if (!is_forked([&] { stream.next(kLong); })) return 1;
    if (!is_forked([&] { stream.latest(kLong); })) return 2;
    if (!is_forked([&] { stream.reopen(); })) return 3;
    if (!is_forked([&] { stream.wake_fd(); })) return 4;
    if (!is_forked([&] { stream.arm(); })) return 5;
    if (!is_forked([&] { stream.drain(); })) return 6;
    if (!is_forked([&] { connection_.list(); })) return 7;
    if (!is_forked([&] { connection_.open({.source = kMoving}); })) return 8;
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(ForkTest, AChildThatLetsGoOfEverythingTakesNothingFromItsParent) {
  std::optional<Connection> connection = Connection::connect(daemon_.socket());
  std::optional<Stream> stream = connection->open({.source = kMoving, .max_leases = 3});
  std::optional<Frame> released = stream->next(kLong);
  std::optional<Frame> dropped = stream->next(kLong);
  Child child([&] {
    released->release();
    dropped.reset();
    stream->close();
    stream.reset();
    connection.reset();
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(leases_held(), 2u);
  EXPECT_TRUE(released->valid());
  EXPECT_TRUE(dropped->valid());
  const uint64_t last = dropped->sequence();
  EXPECT_GT(stream->next(kLong)->sequence(), last);
  EXPECT_EQ(connection->list().size(), 2u);
}

// ThreadSanitizer does not allow threads in a child of a process that has some.
#if !defined(__SANITIZE_THREAD__)
TEST_F(ForkTest, AChildMayConnectOnItsOwn) {
  Stream stream = open_moving();
  const auto frame = stream.next(kLong);
  Child child([&] {
    Stream own = Connection::connect(daemon_.socket()).open({.source = kMoving});
    return own.next(kLong) && own.next(kLong) ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(stream.next(kLong));
}
#endif

}  // namespace
}  // namespace framering::testing
