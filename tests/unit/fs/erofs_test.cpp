#include "fs/erofs/image.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace auk::fs::erofs {
namespace {

namespace files = std::filesystem;

std::string read_all(const files::path& p) {
  std::ifstream in(p, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string noise(usize size) {
  static std::mt19937 random(7);
  std::string s(size, '\0');
  for (char& c : s) c = static_cast<char>(random());
  return s;
}

/// A folder of every kind of thing, and images that mkfs.erofs makes of it.
class Erofs : public testing::Test {
 protected:
  files::path place_;
  std::string bytes_;

  void SetUp() override {
    std::string pattern = files::temp_directory_path() / "erofs-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    place_ = pattern;
    const files::path root = place_ / "root";
    files::create_directories(root / "empty");
    files::create_directories(root / "many");
    const std::map<std::string, usize> sizes{{"none", 0},       {"one", 1},       {"block", 4096},
                                             {"more", 4097},    {"large", 70001}, {"tail", 3000},
                                             {"edge", 8192 + 3}};
    for (const auto& [name, size] : sizes) std::ofstream(root / name) << noise(size);
    for (int i = 0; i < 1000; ++i) std::ofstream(root / "many" / std::format("file{}", i)) << i;
    std::ofstream(root / "hole").seekp(40000) << "end";
    files::create_symlink("one", root / "link");
    files::create_symlink(std::string(200, 'x'), root / "long-link");
    files::create_hard_link(root / "large", root / "other-name");
    ASSERT_EQ(::mkfifo((root / "pipe").c_str(), 0640), 0);
    ::chmod((root / "one").c_str(), 04751);
    (void)::setxattr((root / "one").c_str(), "user.colour", "blue", 4, 0);
    (void)::setxattr((root / "one").c_str(), "user.size", "", 0, 0);
  }
  void TearDown() override { files::remove_all(place_); }

  void make(const std::string& options) {
    const files::path image = place_ / "image";
    files::remove(image);
    const std::string command = std::format("mkfs.erofs --quiet {} {} {} > /dev/null 2>&1", options,
                                            image.string(), (place_ / "root").string());
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    bytes_ = read_all(image);
  }
  Result<Image> open() const {
    return Image::open({reinterpret_cast<const byte*>(bytes_.data()), bytes_.size()});
  }

  static std::string content(const Image& image, const Node& n) {
    std::string s;
    while (s.size() < n.size) {
      Result<std::span<const byte>> piece = image.data(n, s.size());
      if (!piece.ok()) return "broken";
      const std::span<const byte> p = piece.take();
      if (p.empty())
        s.resize(std::min<u64>((s.size() / image.block_size() + 1) * image.block_size(), n.size));
      else
        s.append(reinterpret_cast<const char*>(p.data()), p.size());
    }
    return s;
  }
  static Node node_of(const Image& image, u64 nid) {
    Result<Node> n = image.node(nid);
    EXPECT_TRUE(n.ok());
    return n.ok() ? n.take() : Node();
  }

  /// The folder as the image has it, all of it.
  void compare(const Image& image, u64 nid, const files::path& folder, int& seen) {
    const Node dir = node_of(image, nid);
    std::map<std::string, u64> listed;
    for (u64 place = 0;;) {
      Result<std::optional<Entry>> next = image.next_entry(dir, place);
      ASSERT_TRUE(next.ok());
      const std::optional<Entry> e = next.take();
      if (!e) break;
      listed[std::string(e->name)] = e->nid;
    }
    EXPECT_EQ(listed.erase("."), 1U);
    EXPECT_EQ(listed.erase(".."), 1U);
    for (const auto& entry : files::directory_iterator(folder)) {
      const std::string name = entry.path().filename();
      ASSERT_TRUE(listed.contains(name)) << name;
      Result<Entry> found = image.find(dir, name);
      ASSERT_TRUE(found.ok()) << name;
      EXPECT_EQ(found.take().nid, listed[name]);
      struct stat s{};
      ASSERT_EQ(::lstat(entry.path().c_str(), &s), 0);
      const Node n = node_of(image, listed[name]);
      EXPECT_EQ(n.mode, s.st_mode) << name;
      EXPECT_EQ(n.uid, s.st_uid);
      EXPECT_EQ(n.gid, s.st_gid);
      if (entry.is_symlink()) {
        Result<std::string_view> target = image.target(n);
        ASSERT_TRUE(target.ok());
        EXPECT_EQ(target.take(), files::read_symlink(entry.path()).string());
      } else if (entry.is_directory()) {
        compare(image, listed[name], entry.path(), seen);
      } else if (entry.is_regular_file()) {
        EXPECT_EQ(n.links, s.st_nlink) << name;
        EXPECT_EQ(content(image, n), read_all(entry.path())) << name;
      }
      listed.erase(name);
      ++seen;
    }
    EXPECT_TRUE(listed.empty());
    Result<Entry> missing = image.find(dir, "no such name");
    EXPECT_TRUE(!missing.ok() && missing.error() == Errno::enoent);
  }
};

TEST_F(Erofs, says_what_went_into_the_image) {
  for (const char* options : {"", "-Eforce-inode-extended", "-Enoinline_data", "--chunksize=4096",
                              "-Eforce-inode-compact -T1000"}) {
    make(options);
    Result<Image> opened = open();
    ASSERT_TRUE(opened.ok()) << options;
    const Image image = opened.take();
    int seen = 0;
    compare(image, image.root_nid(), place_ / "root", seen);
    EXPECT_GT(seen, 1000) << options;
  }
}

TEST_F(Erofs, has_extended_attributes) {
  make("-Eforce-inode-extended");
  const Image image = open().take();
  const Node one = node_of(image, image.find(node_of(image, image.root_nid()), "one").take().nid);
  std::map<std::string, std::string> found;
  for (u64 place = 0;;) {
    const std::optional<Attribute> a = image.next_attribute(one, place).take();
    if (!a) break;
    found[std::string(a->prefix) + std::string(a->name)] = {
        reinterpret_cast<const char*>(a->value.data()), a->value.size()};
  }
  if (::getxattr((place_ / "root/one").c_str(), "user.colour", nullptr, 0) < 0)
    GTEST_SKIP() << "the file system of " << place_ << " keeps no extended attributes";
  EXPECT_EQ(found["user.colour"], "blue");
  EXPECT_TRUE(found.contains("user.size"));
}

TEST_F(Erofs, refuses_what_it_does_not_know) {
  make("-zlz4hc");
  Result<Image> image = open();
  // Small files are not compressed: those that are say so.
  if (image.ok()) {
    const Image i = image.take();
    const Node root = node_of(i, i.root_nid());
    Result<Node> n = i.node(i.find(root, "hole").take().nid);
    EXPECT_TRUE(!n.ok() && n.error() == Errno::eopnotsupp);
  } else {
    EXPECT_EQ(image.error(), Errno::eopnotsupp);
  }
  make("");
  bytes_[1024] ^= 1;
  EXPECT_EQ(open().error(), Errno::einval);
  bytes_[1024] ^= 1;
  bytes_[1024 + 36] ^= 1;
  EXPECT_EQ(open().error(), Errno::euclean) << "the checksum";
  bytes_.resize(1000);
  EXPECT_EQ(open().error(), Errno::einval);
}

}  // namespace
}  // namespace auk::fs::erofs
