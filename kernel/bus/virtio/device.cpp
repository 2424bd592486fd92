#include "bus/virtio/device.hpp"

#include "base/text.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "mem/address.hpp"
#include "mem/pages.hpp"

namespace auk::bus::virtio {

namespace {

constinit DriverList<Driver> drivers;
constinit dev::Subsystem bus("virtio", dev::Subsystem::Kind::bus);
constinit u32 next_index = 0;

using dev::Shown;

constexpr Shown<Device,
                [](const Device& d, mem::Text& out) {
                  out.print("0x{:04x}\n", static_cast<u32>(d.transport().kind()));
                }>
    kind_file("device");
constexpr Shown<Device, [](const Device& d,
                           mem::Text& out) { out.print("0x{:04x}\n", d.transport().vendor()); }>
    vendor_file("vendor");
constexpr Shown<Device, [](const Device& d,
                           mem::Text& out) { out.print("0x{:08x}\n", d.transport().status()); }>
    status_file("status");
constexpr Shown<Device,
                [](const Device& d, mem::Text& out) {
                  for (u32 bit = 0; bit < 64; ++bit) out.put(d.has(u64{1} << bit) ? '1' : '0');
                  out.put('\n');
                }>
    features_file("features");

void put_modalias(const Device& d, mem::Text& out) {
  out.print("virtio:d{:08X}v{:08X}\n", static_cast<u32>(d.transport().kind()),
            d.transport().vendor());
}
constexpr Shown<Device, put_modalias> modalias_file("modalias");
constexpr std::array<const dev::Attribute*, 5> files{&kind_file, &vendor_file, &status_file,
                                                     &modalias_file, &features_file};

}  // namespace

QueueMemory::QueueMemory(Pfn pages, unsigned order, Queue::Slot* slots, u32 size,
                         bool has_event_index)
    : pages_(pages),
      order_(order),
      slots_(slots),
      size_(size),
      queue_(mem::bytes_of(pages, usize{1} << order), phys_of(pages), std::span(slots, size),
             has_event_index) {}

QueueMemory::~QueueMemory() {
  mem::free(slots_);
  mem::free_pages(pages_, order_);
}

Result<mem::Box<QueueMemory>> QueueMemory::create(u32 size, bool has_event_index) {
  unsigned order = 0;
  while ((usize{page_size} << order) < Queue::shared_size(size)) ++order;
  const Pfn pages = TRY(mem::allocate_pages(ALLOC_SITE, order));
  Result<void*> slots = mem::allocate(ALLOC_SITE, size * sizeof(Queue::Slot));
  if (slots.ok()) {
    auto* const first = static_cast<Queue::Slot*>(slots.take());
    Result<mem::Box<QueueMemory>> made =
        mem::Box<QueueMemory>::make(ALLOC_SITE, pages, order, first, size, has_event_index);
    if (made.ok()) return made;
    mem::free(first);
  }
  mem::free_pages(pages, order);
  return Errno::enomem;
}

Device::Device(Transport& t, u32 index) : dev::Device(bus, files), transport_(t), index_(index) {}

void Device::put_event(mem::Text& out) const {
  out.put("MODALIAS=");
  put_modalias(*this, out);
}

Result<void> Device::negotiate(u64 wanted) {
  transport_.set_status(status::acknowledge | status::driver);
  const u64 offered = transport_.offered_features();
  features_ = offered & wanted;
  if (!transport_.is_old()) {
    if ((offered & feature::version_1) == 0) return Errno::enodev;
    features_ |= feature::version_1;
  }
  transport_.accept_features(features_);
  if (transport_.is_old()) return {};
  transport_.set_status(transport_.status() | status::features_ok);
  return (transport_.status() & status::features_ok) != 0 ? Result<void>() : Errno::enodev;
}

Result<void> Device::read_config(u32 offset, std::span<byte> out) const {
  const Registers config = transport_.config();
  if (offset > config.size() || config.size() - offset < out.size()) return Errno::eio;
  constexpr u32 most_tries = 100;
  for (u32 tries = 0; tries < most_tries; ++tries) {
    const u32 before = transport_.config_generation();
    // Numbers of four bytes as such (4.2.2.2).
    config.copy(offset, out, !transport_.is_old());
    if (transport_.config_generation() == before) return {};
  }
  return Errno::eio;
}

Result<mem::Box<QueueMemory>> Device::make_queue(u32 index, u32 wanted) {
  const u32 most = transport_.most_in_queue(index);
  u32 size = wanted;
  while (size > most) size /= 2;
  if (size == 0) return Errno::enodev;
  mem::Box<QueueMemory> q = TRY(QueueMemory::create(size, has(feature::event_index)));
  TRY(transport_.connect(index, q->queue().addresses(), size));
  return q;
}

Result<void> Device::start(Listener& l) {
  TRY(transport_.listen(l, name()));
  transport_.set_status(transport_.status() | status::driver_ok);
  return {};
}

void Device::give_up() {
  transport_.set_status(0);
  transport_.set_status(status::failed);
}

void register_driver(Driver& d) {
  drivers.add(d);
  (void)bus.driver_place(d.name());
}

void offer(Transport& t, dev::Object& parent) {
  Result<Ref<Device>> made = mem::make_ref<Device>(ALLOC_SITE, t, next_index);
  if (!made.ok()) return core::log_err("virtio: no memory for a device");
  const Ref<Device> d = made.take();
  std::array<char, 16> memory;
  Writer name(memory);
  format_to(name, "virtio{}", next_index++);
  if (const Result<void> r = d->attach(name.text(), &parent); !r.ok())
    return core::log_err("{}: {}", name.text(), r.error());
  t.set_status(0);
  t.set_status(status::acknowledge);
  Driver* const driver = drivers.find([&](const Driver& d) { return d.kind() == t.kind(); });
  if (driver == nullptr) return;
  if (const Result<void> r = driver->probe(*d); !r.ok()) {
    core::log_err("{}: {}: {}", driver->name(), name.text(), r.error());
    d->give_up();
    return;
  }
  (void)d->set_driver(driver->name());
}

static void setup() { bus.setup(); }
INIT_TASK(virtio, "devices", "virtio_bus", setup);

}  // namespace auk::bus::virtio
