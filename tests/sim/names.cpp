// Names: what is renamed is under exactly one name, what is replaced or exchanged never missing.
#include "vfs/names.hpp"

#include "core/rcu.hpp"
#include "sched/rcu.hpp"
#include "sched/wait.hpp"
#include "support/world.hpp"

namespace auk::random {
u64 next_u64() { return 0x5bd1e9955bd1e995; }
}  // namespace auk::random

namespace auk::sim {

constinit const Needs needs{.rcu = true};

namespace {

using vfs::Name;
using vfs::Named;

struct Node final : Named {
  u32 number = 0;
  explicit Node(u32 n = 0) : number(n) {}
  ~Node() {
    if (const Name* const n = name()) mem::destroy(const_cast<Name*>(n));
  }
};

mem::Box<Name> make(Node& dir, Node& owner, std::string_view text) {
  return Name::create(dir, owner, text).take();
}

/// A writer's own count, by which readers see that nothing happened between two looks.
class Epoch {
  Atomic<u64> n_{0};

 public:
  u64 read() const { return n_.load_seq_cst(); }
  void step() { n_.store_seq_cst(n_.load_relaxed() + 1); }
};

struct Stage {
  Node left, right;
  Node moving{1}, one{2}, two{3};
  Epoch moves, exchanges;
  Atomic<bool> stop{false};

  Node* find(const Node& dir, std::string_view text) const {
    return static_cast<Node*>(vfs::find_name(dir, text));
  }
  /// Even: at the left.
  bool moves_hold() const {
    const u64 before = moves.read();
    const bool at_left = find(left, "moving") != nullptr;
    const bool at_right = find(right, "gone") != nullptr;
    const u64 after = moves.read();
    if (before != after || before % 2 != 0) return true;
    return at_left == (before % 4 == 0) && at_right == (before % 4 == 2);
  }
  bool exchanges_hold() const {
    const u64 before = exchanges.read();
    const Node* const x = find(left, "x");
    const Node* const y = find(right, "y");
    const u64 after = exchanges.read();
    if (x == nullptr || y == nullptr) return false;
    if (before != after || before % 2 != 0) return true;
    return x->number == (before % 4 == 0 ? 2 : 3) && y->number == (before % 4 == 0 ? 3 : 2);
  }
  void read() {
    const core::RcuReader reader;
    SIM_CHECK(moves_hold());
    SIM_CHECK(exchanges_hold());
    SIM_CHECK(find(left, "always") != nullptr);
    SIM_CHECK(find(left, "never") == nullptr);
  }
};

void move_about(Stage& s) {
  for (u32 n = 1 + dice(3); n > 0; --n) {
    s.moves.step();
    vfs::move_name(s.moving, make(s.right, s.moving, "gone"), nullptr, one_in(2));
    s.moves.step();
    dawdle();
    s.moves.step();
    vfs::move_name(s.moving, make(s.left, s.moving, "moving"), nullptr, one_in(2));
    s.moves.step();
  }
}

void exchange_about(Stage& s) {
  for (u32 n = 1 + dice(3); n > 0; --n) {
    const bool at_home = s.exchanges.read() % 4 == 0;
    s.exchanges.step();
    vfs::exchange_names(s.one, make(at_home ? s.right : s.left, s.one, at_home ? "y" : "x"), s.two,
                        make(at_home ? s.left : s.right, s.two, at_home ? "x" : "y"));
    s.exchanges.step();
    dawdle();
  }
}

}  // namespace

void scenario() {
  // Few buckets, so that all names stand in each other's way.
  static constinit std::array<Atomic<Name*>, 2> buckets;
  for (Atomic<Name*>& b : buckets) b.store_relaxed(nullptr);
  vfs::setup_names(buckets);
  {
    Stage s;
    vfs::link_name(s.moving, make(s.left, s.moving, "moving"));
    vfs::link_name(s.one, make(s.left, s.one, "x"));
    vfs::link_name(s.two, make(s.right, s.two, "y"));
    Node first;
    vfs::link_name(first, make(s.left, first, "always"));
    std::array<mem::Box<Node>, 4> nodes;
    for (mem::Box<Node>& n : nodes) n = mem::Box<Node>::make(ALLOC_SITE).take();
    Crowd writers;
    Crowd readers;
    for (u32 n = 1 + dice(2); n > 0; --n)
      (void)readers.start([&] {
        while (!s.stop.load_acquire()) {
          s.read();
          if (one_in(2))
            sched::yield();
          else
            sched::sleep_until(soon());
        }
      });
    (void)writers.start([&] { move_about(s); });
    if (one_in(2)) (void)writers.start([&] { exchange_about(s); });
    Node* before = &first;
    for (mem::Box<Node>& n : nodes) {
      vfs::link_name(*n, make(s.right, *n, "fresh"));
      vfs::move_name(*n, make(s.left, *n, "always"), before, false);
      before = n.get();
      dawdle();
    }
    writers.wait();
    s.stop.store_release(true);
    readers.wait();
    for (Named* const n : {static_cast<Named*>(&s.moving), static_cast<Named*>(&s.one),
                           static_cast<Named*>(&s.two), static_cast<Named*>(before)})
      vfs::unlink_name(*n);
    SIM_CHECK(s.find(s.left, "moving") == nullptr && s.find(s.left, "always") == nullptr);
    sched::rcu_barrier();
  }
}

}  // namespace auk::sim
