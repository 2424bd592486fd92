#include "dev/object.hpp"

#include <gtest/gtest.h>
#include <random>
#include <set>
#include <thread>

#include "mem/machine.hpp"

namespace auk::dev {
namespace {

using namespace auk::test;

Atomic<i64> living{0};

class Thing final : public Object {
  void dispose() override { mem::destroy(this); }

 public:
  const u64 value;
  explicit Thing(u64 v, Attributes files = {}) : Object(files), value(v) {
    (void)living.fetch_add_relaxed(1);
  }
  ~Thing() { (void)living.fetch_sub_relaxed(1); }
};

Ref<Thing> make_thing(u64 value = 0, Attributes files = {}) {
  Result<Ref<Thing>> made = mem::make_ref<Thing>(ALLOC_SITE, value, files);
  require(made.ok(), "no memory");
  return made.take();
}

constexpr Shown<Thing, [](const Thing& t, mem::Text& out) { out.print("{}\n", t.value); }>
    value_file("value");
constexpr Shown<Thing, [](const Thing&, mem::Text& out) { out.put("x"); }> other_file("other");
constexpr std::array<const Attribute*, 2> two_files{&value_file, &other_file};

std::string text_of(const Attribute& a, const Object& o) {
  mem::Text out;
  EXPECT_TRUE(a.show(o, out).ok());
  return std::string(out.text());
}

std::string relative(const Object& from, const Object& to) {
  mem::Text out;
  put_relative_path(from, to, out);
  return std::string(out.text());
}

std::string path(const Object& o) {
  mem::Text out;
  put_path(o, out);
  return std::string(out.text());
}

std::vector<std::string> list(Object& o) {
  std::vector<std::string> names;
  Object::Listed e;
  for (u64 place = 0; o.next_entry(place, e); place = e.place + 1)
    names.emplace_back(e.name.data(), e.size);
  return names;
}

class ObjectTest : public testing::Test {
 protected:
  Ref<Thing> root;
  void SetUp() override {
    start_machine();
    root = make_thing();
  }
  void TearDown() override {
    root = {};
    EXPECT_EQ(living.load_relaxed(), 0);
  }
  /// A thing that the tree holds.
  static Thing& add(Object& at, std::string_view name, u64 value = 0, Attributes files = {}) {
    const Ref<Thing> t = make_thing(value, files);
    EXPECT_TRUE(at.add(name, *t).ok());
    return *t;
  }
};

TEST_F(ObjectTest, names_lead_to_objects_links_and_files) {
  Thing& a = add(*root, "a", 7, two_files);
  Thing& b = add(*root, "b");
  ASSERT_TRUE(b.add_link("to_a", a).ok());
  Result<Found> found = root->find("a");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found).object.get(), &a);
  EXPECT_FALSE((*found).is_link);
  Result<Found> linked = b.find("to_a");
  ASSERT_TRUE(linked.ok());
  EXPECT_EQ((*linked).object.get(), &a);
  EXPECT_TRUE((*linked).is_link);
  Result<Found> file = a.find("value");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file).attribute, &value_file);
  EXPECT_EQ(text_of(*(*file).attribute, *(*file).object), "7\n");
  EXPECT_EQ(a.find("absent").error(), Errno::enoent);
  EXPECT_EQ(root->count_directories(), 2U);
  EXPECT_EQ(b.count_directories(), 0U);
  a.remove();
  b.remove();
}

TEST_F(ObjectTest, numbers_are_never_used_twice) {
  std::set<u64> numbers{root->number()};
  EXPECT_EQ(root->number(), 1U);
  for (int i = 0; i < 20; ++i) {
    Thing& t = add(*root, "t", 0, two_files);
    ASSERT_TRUE(root->add_link("link", t).ok());
    EXPECT_TRUE(numbers.insert(t.number()).second);
    for (const char* name : {"value", "other"}) {
      Result<Found> f = t.find(name);
      EXPECT_TRUE(numbers.insert((*f).number).second);
    }
    Result<Found> link = root->find("link");
    EXPECT_TRUE(numbers.insert((*link).number).second);
    root->remove_link("link", *root);
    EXPECT_TRUE(root->find("link").ok());
    root->remove_link("link", t);
    t.remove();
  }
}

TEST_F(ObjectTest, a_name_is_taken_once) {
  Thing& a = add(*root, "a", 0, two_files);
  EXPECT_EQ(root->add("a", *make_thing()).error(), Errno::eexist);
  EXPECT_EQ(root->add_link("a", a).error(), Errno::eexist);
  EXPECT_EQ(a.add("value", *make_thing()).error(), Errno::eexist);
  a.remove();
  add(*root, "a").remove();
}

TEST_F(ObjectTest, what_is_removed_takes_what_is_below_along) {
  Thing& a = add(*root, "a");
  Thing& b = add(a, "b");
  Thing& c = add(b, "c");
  Thing& other = add(*root, "other");
  ASSERT_TRUE(c.add_link("away", other).ok());
  ASSERT_TRUE(other.add_link("deep", c).ok());
  const Ref<Thing> held(c);
  a.remove();
  EXPECT_TRUE(held->is_removed());
  EXPECT_EQ(held->find("away").error(), Errno::enoent);
  EXPECT_EQ(held->add("d", *make_thing()).error(), Errno::enoent);
  EXPECT_EQ(held->add_link("d", other).error(), Errno::enoent);
  // Its path stays known.
  EXPECT_EQ(path(*held), "/a/b/c");
  other.remove();
}

TEST_F(ObjectTest, an_object_is_removed_once) {
  const Ref<Thing> a(add(*root, "a"));
  const Ref<Thing> b(add(*a, "b"));
  b->remove();
  b->remove();
  a->remove();
  b->remove();
  EXPECT_EQ(a->ref_count(), 2U);
}

TEST_F(ObjectTest, paths) {
  Thing& devices = add(*root, "devices");
  Thing& part = add(devices, "part");
  Thing& null = add(part, "null");
  Thing& classes = add(*root, "class");
  Thing& mem = add(classes, "mem");
  EXPECT_EQ(path(*root), "");
  EXPECT_EQ(path(null), "/devices/part/null");
  EXPECT_EQ(relative(mem, null), "../../devices/part/null");
  EXPECT_EQ(relative(null, mem), "../../../class/mem");
  EXPECT_EQ(relative(null, part), "../../part");
  EXPECT_EQ(relative(devices, null), "part/null");
  EXPECT_EQ(relative(*root, mem), "class/mem");
  devices.remove();
  classes.remove();
}

TEST_F(ObjectTest, a_listing_goes_on_where_it_was) {
  for (const char* name : {"z", "m", "a"}) add(*root, name);
  EXPECT_EQ(list(*root), (std::vector<std::string>{"z", "m", "a"}));
  Object::Listed first;
  ASSERT_TRUE(root->next_entry(0, first));
  Result<Found> z = root->find("z"), m = root->find("m");
  (*z).object->remove();
  Object::Listed second;
  ASSERT_TRUE(root->next_entry(first.place + 1, second));
  EXPECT_EQ(std::string(second.name.data(), second.size), "m");
  (*m).object->remove();
  Result<Found> a = root->find("a");
  (*a).object->remove();
  EXPECT_EQ(list(*root), std::vector<std::string>{});
}

TEST_F(ObjectTest, rights_are_kept) {
  Thing& t = add(*root, "t", 0, two_files);
  ASSERT_TRUE(root->add_link("link", t).ok());
  const auto found = [](Object& at, std::string_view name) { return at.find(name).take(); };
  const Found itself = found(*root, "t"), value = found(t, "value"), other = found(t, "other"),
              link = found(*root, "link"), top{.object = Ref<Object>(root), .number = 1};
  EXPECT_EQ(root->rights_of(top).mode, 0555U);
  EXPECT_EQ(t.rights_of(itself).mode, 0755U);
  EXPECT_EQ(t.rights_of(value).mode, 0444U);
  EXPECT_EQ(t.rights_of(link).mode, 0777U);
  ASSERT_TRUE(t.set_rights(value, {.mode = 0600, .uid = 5, .gid = 6}).ok());
  ASSERT_TRUE(t.set_rights(itself, {.mode = 0700}).ok());
  ASSERT_TRUE(t.set_rights(value, {.mode = 0640, .uid = 5, .gid = 7}).ok());
  ASSERT_TRUE(t.set_rights(link, {.mode = 0777, .uid = 9}).ok());
  EXPECT_EQ(t.rights_of(value).gid, 7U);
  EXPECT_EQ(t.rights_of(value).mode, 0640U);
  EXPECT_EQ(t.rights_of(other).mode, 0444U);
  EXPECT_EQ(t.rights_of(itself).mode, 0700U);
  EXPECT_EQ(t.rights_of(link).uid, 9U);
  root->remove_link("link", t);
  t.remove();
}

constexpr u32 shelves = 6, names = 12, rounds = 4000;

/// Adds, removes, looks up and lists what others do the same to.
void disturb(u32 cpu, Object& root) {
  play_cpu(cpu);
  std::mt19937 random(cpu);
  const auto name_of = [](u32 n) { return std::string("n") + std::to_string(n); };
  for (u32 i = 0; i < rounds; ++i) {
    Result<Found> shelf = root.find(name_of(random() % shelves));
    if (!shelf.ok()) {
      (void)root.add(name_of(random() % shelves), *make_thing());
      continue;
    }
    Object& at = *(*shelf).object;
    const std::string name = name_of(random() % names);
    switch (random() % 8) {
      case 0:
      case 1: (void)at.add(name, *make_thing(i, two_files)); break;
      case 2: (void)at.add_link(name, root); break;
      case 3: at.remove_link(name, root); break;
      case 4:
        if (random() % 16 == 0) at.remove();
        break;
      case 5: (void)list(at); break;
      case 6: {
        Result<Found> f = at.find(name);
        if (f.ok() && !(*f).is_link) (*f).object->remove();
        break;
      }
      default: {
        u64 place = 0;
        while (const Ref<Object> o = at.next_target(place)) (void)o->count_directories();
      }
    }
  }
}

TEST_F(ObjectTest, many_at_once) {
  const u64 before = pages_in_use();
  std::vector<std::thread> threads;
  for (u32 cpu = 0; cpu < cpus; ++cpu) threads.emplace_back([this, cpu] { disturb(cpu, *root); });
  for (std::thread& t : threads) t.join();
  u64 place = 0;
  while (const Ref<Object> o = root->next_target(place)) o->remove();
  EXPECT_EQ(living.load_relaxed(), 1);
  EXPECT_LE(pages_in_use(), before + 2);
}

}  // namespace
}  // namespace auk::dev
