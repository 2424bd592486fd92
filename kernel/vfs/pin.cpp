#include "vfs/pin.hpp"

namespace auk::vfs {

class Pins {
  List<Pin, &Pin::node_> list_;

 public:
  constexpr Pins() = default;
  static Atomic<u32> count;
  void add(Pin& p, const Mount& m) {
    p.mount_ = &m;
    list_.push_back(p);
    (void)count.fetch_add_relaxed(1);
  }
  void remove(Pin& p) {
    if (!p.node_.is_linked()) return;
    list_.remove(p);
    (void)count.fetch_sub_relaxed(1);
  }
  template <class F> Ref<Pin> find(F is_meant) {
    for (Pin& p : list_)
      if (is_meant(*p.mount_)) return Ref<Pin>(p);
    return {};
  }
};

constinit Atomic<u32> Pins::count{0};

namespace {

constinit core::Guarded<core::level::pins, Pins, core::SpinPreemptOff> pins;

template <class F> void release(F is_meant) {
  if (Pins::count.load_relaxed() == 0) return;
  while (const Ref<Pin> p = pins.lock()->find(is_meant)) p->let_go();
}

}  // namespace

Result<Path> set_aside(const Path& at) {
  Mount& m = *at.mount;
  return Path(
      TRY(Mount::create(Ref<Superblock>(m.super()), Ref<Dentry>(m.root()), m.source(), m.flags())),
      at.dentry);
}

void add_pin(Pin& p, const Mount& m) { pins.lock()->add(p, m); }
void remove_pin(Pin& p) { pins.lock()->remove(p); }
void release_pins(const Mount& m) {
  release([&](const Mount& of) { return &of == &m; });
}
void release_pins(const Superblock& s) {
  release([&](const Mount& of) { return &of.super() == &s; });
}

}  // namespace auk::vfs
