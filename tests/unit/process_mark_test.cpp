#include "client/src/process_mark.h"

#include <gtest/gtest.h>

#include "tests/support/child.h"

namespace framering::internal {
namespace {

using testing::Child;

TEST(ProcessMark, StaysTheSameAndIsAnotherInEveryGeneration) {
  const uint64_t mine = process_mark();
  EXPECT_EQ(process_mark(), mine);
  Child child([mine] {
    const uint64_t childs = process_mark();
    if (childs == mine || process_mark() != childs) return 1;
    Child grandchild([=] { return process_mark() == mine || process_mark() == childs ? 1 : 0; });
    return grandchild.wait();
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(process_mark(), mine);
}

}  // namespace
}  // namespace framering::internal
