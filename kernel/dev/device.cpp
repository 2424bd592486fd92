#include "dev/device.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"

namespace auk::dev {
namespace {

constexpr u32 type_mask = 0170000, type_block = 0060000, rights_mask = 07777;
constexpr u32 usual_rights = 0600;

struct Places {
  Object *buses, *classes, *char_numbers, *block_numbers, *devices, *system, *without_parent;
};
constinit Places places{};
constinit Atomic<u64> events{0};
constinit Atomic<NodeWatcher*> node_watcher{nullptr};
constinit Subsystem platform("platform", Subsystem::Kind::bus);

/// Asks for an event about a device, as if it had just happened.
class EventAttribute final : public Attribute {
  bool is_shown_;

 public:
  constexpr EventAttribute(u32 rights, bool is_shown)
      : Attribute("uevent", rights),
        is_shown_(is_shown) {}
  Result<void> show(const Object& o, mem::Text& out) const override {
    if (!is_shown_) return {};
    const auto& d = static_cast<const Device&>(o);
    if (d.device_number() != 0) {
      out.print("MAJOR={}\nMINOR={}\nDEVNAME={}\n", major_of(d.device_number()),
                minor_of(d.device_number()), d.name());
      if (const u32 rights = d.mode() & rights_mask; rights != usual_rights)
        out.print("DEVMODE=0{:o}\n", rights);
    }
    if (!d.driver().empty()) out.print("DRIVER={}\n", d.driver());
    d.put_event(out);
    return {};
  }
  Result<void> store(Object&, std::string_view text) const override {
    constexpr std::array<std::string_view, 8> actions{"add",    "remove",  "change", "move",
                                                      "online", "offline", "bind",   "unbind"};
    text = trim(text);
    // What stands behind the action is for those who listen.
    const std::string_view action = text.substr(0, std::min(text.find(' '), text.size()));
    if (std::ranges::find(actions, action) == actions.end()) return Errno::einval;
    (void)events.fetch_add_relaxed(1);
    return {};
  }
};
constexpr EventAttribute device_event(0644, true);
constexpr EventAttribute empty_event(0644, false);
constexpr EventAttribute bus_event(0200, false);

constexpr Shown<Device,
                [](const Device& d, mem::Text& out) {
                  out.print("{}:{}\n", major_of(d.device_number()), minor_of(d.device_number()));
                }>
    number_attribute("dev");

constexpr std::array<const Attribute*, 1> without_number{&device_event};
constexpr std::array<const Attribute*, 2> with_number{&device_event, &number_attribute};
constexpr std::array<const Attribute*, 1> of_bus{&bus_event};
constexpr std::array<const Attribute*, 1> of_system_place{&empty_event};

/// /sys/devices/system/NAME: its own files and one of all.
class SystemPlace final : public Object {
  void dispose() override { mem::destroy(this); }

 public:
  explicit SystemPlace(Attributes own) : Object(own, of_system_place) {}
  ~SystemPlace() = default;
};

}  // namespace

void Subsystem::setup(Object* home) {
  home_ = home;
  place_ = add_place(is_class() ? places.classes : places.buses, name_,
                     is_class() ? Attributes() : Attributes(of_bus));
  list_ = is_class() ? place_ : add_place(place_, "devices");
  if (!is_class()) drivers_ = add_place(place_, "drivers");
  if (kind_ != Kind::system || places.system == nullptr) return;
  Result<Ref<SystemPlace>> made = mem::make_ref<SystemPlace>(ALLOC_SITE, attributes_);
  if (!made.ok()) return core::log_err("dev: no memory for {}", name_);
  const Ref<SystemPlace> place = made.take();
  if (places.system->add(name_, *place).ok()) home_ = place.get();
}

/// A place in a directory, made when it is first asked for. EEXIST: the name is something else's.
static Result<Ref<Object>> place_in(Object& directory, std::string_view name) {
  for (;;) {
    if (Result<Found> there = directory.find(name); there.ok()) {
      const Found f = there.take();
      if (f.attribute != nullptr || f.is_link) return Errno::eexist;
      return f.object;
    }
    const Ref<Place> fresh = TRY(mem::make_ref<Place>(ALLOC_SITE, Attributes()));
    const Result<void> added = directory.add(name, *fresh);
    if (added.ok()) return Ref<Object>(fresh);
    // Otherwise somebody else was quicker.
    if (added.error() != Errno::eexist) return added.error();
  }
}

Result<Ref<Object>> Subsystem::home() {
  if (home_ != nullptr) return Ref<Object>(*home_);
  if (places.without_parent == nullptr) return Errno::enomem;
  return is_class() ? place_in(*places.without_parent, name_)
                    : Result<Ref<Object>>(Ref<Object>(*places.devices));
}

Result<Ref<Object>> Subsystem::driver_place(std::string_view driver) {
  if (drivers_ == nullptr) return Errno::enomem;
  return place_in(*drivers_, driver);
}

Device::Device(Subsystem& subsystem, Attributes own, u64 number, u32 mode)
    : Object(own, number != 0 ? Attributes(with_number) : Attributes(without_number)),
      subsystem_(subsystem),
      number_(number),
      mode_(mode) {}

static Object* number_place(u32 mode) {
  return (mode & type_mask) == type_block ? places.block_numbers : places.char_numbers;
}

static std::string_view put_number(std::span<char> memory, u64 number) {
  Writer out(memory);
  format_to(out, "{}:{}", major_of(number), minor_of(number));
  return out.text();
}

Result<void> Device::add_links(Object* parent) {
  if (subsystem_.list() == nullptr) return Errno::enomem;
  TRY(add_link("subsystem", *subsystem_.place()));
  if (parent != nullptr && subsystem_.is_class()) TRY(add_link("device", *parent));
  TRY(subsystem_.list()->add_link(name(), *this));
  if (number_ == 0) return {};
  Object* const numbers = number_place(mode_);
  if (numbers == nullptr) return Errno::enomem;
  std::array<char, 24> memory;
  return numbers->add_link(put_number(memory, number_), *this);
}

Result<void> Device::attach(std::string_view name, Object* parent) {
  Ref<Object> directory;
  if (parent == nullptr)
    directory = TRY(subsystem_.home());
  else
    directory =
        subsystem_.is_class() ? TRY(place_in(*parent, subsystem_.name())) : Ref<Object>(*parent);
  TRY(directory->add(name, *this));
  const Result<void> linked = add_links(parent);
  if (!linked.ok()) {
    detach();
    return linked;
  }
  (void)events.fetch_add_relaxed(1);
  NodeWatcher* const watcher = node_watcher.load_acquire();
  if (number_ != 0 && watcher != nullptr) watcher->added(*this);
  return {};
}

Result<void> Device::set_driver(const std::string_view& name) {
  driver_.store_release(&name);
  const Ref<Object> place = TRY(subsystem_.driver_place(name));
  TRY(add_link("driver", *place));
  return place->add_link(this->name(), *this);
}

std::string_view Device::driver() const {
  const std::string_view* const name = driver_.load_acquire();
  return name == nullptr ? std::string_view() : *name;
}

void Device::detach() {
  if (subsystem_.list() != nullptr) subsystem_.list()->remove_link(name(), *this);
  std::array<char, 24> memory;
  if (Object* const numbers = number_place(mode_); number_ != 0 && numbers != nullptr)
    numbers->remove_link(put_number(memory, number_), *this);
  NodeWatcher* const watcher = node_watcher.load_acquire();
  if (number_ != 0 && watcher != nullptr) watcher->removed(*this);
  if (!driver().empty())
    if (Result<Ref<Object>> place = subsystem_.driver_place(driver()); place.ok())
      place.take()->remove_link(name(), *this);
  remove();
}

namespace {

class PlainDevice final : public Device {
  void dispose() override { mem::destroy(this); }

 public:
  PlainDevice(Subsystem& subsystem, u64 number, u32 mode) : Device(subsystem, {}, number, mode) {}
  ~PlainDevice() = default;
};

}  // namespace

void set_node_watcher(NodeWatcher& w) { node_watcher.store_release(&w); }

Object* devices_place() { return places.devices; }
Subsystem& platform_bus() { return platform; }

void add_made_device(std::string_view name, Ref<Device> device, Object* parent) {
  if (!device || !device->attach(name, parent).ok())
    core::log_err("dev: {} could not be added", name);
}

void add_device(Subsystem& subsystem, std::string_view name, u64 number, u32 mode) {
  add_device(name, mem::make_ref<PlainDevice>(ALLOC_SITE, subsystem, number, mode));
}

Ref<Device> next_with_node(u64& place, bool is_block) {
  Object* const numbers = is_block ? places.block_numbers : places.char_numbers;
  if (numbers == nullptr) return {};
  while (Ref<Object> o = numbers->next_target(place))
    if (!o->is_removed()) return Ref<Device>::adopt(static_cast<Device*>(o.release()));
  return {};
}

u64 last_event() { return events.load_relaxed(); }

namespace {

void setup() {
  Object* const top = root();
  places.buses = add_place(top, "bus");
  places.classes = add_place(top, "class");
  Object* const by_number = add_place(top, "dev");
  places.char_numbers = add_place(by_number, "char");
  places.block_numbers = add_place(by_number, "block");
  places.devices = add_place(top, "devices");
  places.system = add_place(places.devices, "system");
  places.without_parent = add_place(places.devices, "virtual");
  platform.setup(add_place(places.devices, "platform"));
  (void)add_place(top, "block");
  (void)add_place(top, "firmware");
  (void)add_place(top, "fs");
  (void)add_place(top, "module");
}
INIT_TASK(devices, "dev", "devices", setup);

}  // namespace

}  // namespace auk::dev
