// What a process that holds a descriptor of a shared page can do with it.
#include "daemon/shared_page.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace framering::daemon {
namespace {

constexpr size_t kBytes = 8192;

class SharedPageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto page = SharedPage::create("test-page", kBytes);
    ASSERT_TRUE(page) << page.error().text();
    page_ = *std::move(page);
  }
  static int seals(int fd) { return fcntl(fd, F_GET_SEALS); }
  static mode_t mode(int fd) {
    struct stat info {};
    fstat(fd, &info);
    return info.st_mode & 0777;
  }
  static bool can_map(int fd, int protection) {
    void* data = mmap(nullptr, kBytes, protection, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return false;
    munmap(data, kBytes);
    return true;
  }

  SharedPage page_;
};

TEST_F(SharedPageTest, ANewPageIsZeroAndWhollyThere) {
  const auto* bytes = static_cast<const char*>(page_.data());
  EXPECT_TRUE(std::all_of(bytes, bytes + kBytes, [](char byte) { return byte == 0; }));
  struct stat info {};
  ASSERT_EQ(fstat(page_.fd(), &info), 0);
  EXPECT_EQ(info.st_size, static_cast<off_t>(kBytes));
  EXPECT_GE(info.st_blocks * 512, static_cast<off_t>(kBytes));
  EXPECT_EQ(fcntl(page_.fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(SharedPageTest, ANewPageCannotBeResizedAndIsItsOwnersAlone) {
  EXPECT_EQ(seals(page_.fd()), F_SEAL_SHRINK | F_SEAL_GROW);
  EXPECT_EQ(mode(page_.fd()), 0600u);
  EXPECT_EQ(ftruncate(page_.fd(), 0), -1);
  EXPECT_EQ(ftruncate(page_.fd(), 2 * kBytes), -1);
  EXPECT_TRUE(can_map(page_.fd(), PROT_READ | PROT_WRITE));
}

TEST_F(SharedPageTest, AfterSealingWritesNobodyCanMapItForWriting) {
  ASSERT_TRUE(page_.seal_writes());
  EXPECT_EQ(seals(page_.fd()), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
  EXPECT_EQ(mode(page_.fd()), 0400u);
  EXPECT_FALSE(can_map(page_.fd(), PROT_READ | PROT_WRITE));
  EXPECT_TRUE(can_map(page_.fd(), PROT_READ));
  EXPECT_EQ(write(page_.fd(), "x", 1), -1);
}

TEST_F(SharedPageTest, AfterSealingWritesTheOwnMappingStillWritesAndReadersSeeIt) {
  ASSERT_TRUE(page_.seal_writes());
  const auto fd = page_.reopen_read_only();
  ASSERT_TRUE(fd);
  void* seen = mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, fd->get(), 0);
  ASSERT_NE(seen, MAP_FAILED);
  static_cast<char*>(page_.data())[kBytes - 1] = 'x';
  EXPECT_EQ(static_cast<const char*>(seen)[kBytes - 1], 'x');
  munmap(seen, kBytes);
}

TEST_F(SharedPageTest, AReadOnlyDescriptorCannotBeMappedForWritingEvenBeforeTheSeal) {
  const auto fd = page_.reopen_read_only();
  ASSERT_TRUE(fd);
  EXPECT_EQ(fcntl(fd->get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_FALSE(can_map(fd->get(), PROT_READ | PROT_WRITE));
  EXPECT_EQ(errno, EACCES);
  EXPECT_EQ(write(fd->get(), "x", 1), -1);
  EXPECT_EQ(ftruncate(fd->get(), 0), -1);
  EXPECT_EQ(fcntl(fd->get(), F_ADD_SEALS, F_SEAL_WRITE), -1);
}

TEST_F(SharedPageTest, AMappingOutlivesTheMoveOfItsPage) {
  auto* data = static_cast<char*>(page_.data());
  *data = 'y';
  SharedPage moved = std::move(page_);
  EXPECT_EQ(moved.data(), data);
  page_ = SharedPage();
  EXPECT_EQ(*static_cast<char*>(moved.data()), 'y');
}

TEST_F(SharedPageTest, WithoutAFreeDescriptorThereIsNoPage) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto page = SharedPage::create("test-page", kBytes);
  const auto fd = page_.reopen_read_only();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, proto::ErrorCode::kOutOfMemory);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().code, proto::ErrorCode::kOutOfMemory);
}

}  // namespace
}  // namespace framering::daemon
