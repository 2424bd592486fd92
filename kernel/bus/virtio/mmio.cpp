// Virtio devices as registers in memory. See Virtio 1.2, section 4.2; 4.2.4 for those of old.
//
// Data model: the command line names them, as QEMU's microvm, Firecracker and Linux have it:
// virtio_mmio.device=SIZE@ADDRESS:IRQ, once for each. Context: threads, interrupts for handle().
#include <array>

#include "base/text.hpp"
#include "bus/legacy_irq.hpp"
#include "bus/registers.hpp"
#include "bus/virtio/device.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "core/param.hpp"

namespace auk::bus::virtio {
namespace {

enum class Reg : u32 {
  magic = 0,
  version = 4,
  kind = 8,
  vendor = 0xc,
  features = 0x10,
  features_select = 0x14,
  driver_features = 0x20,
  driver_features_select = 0x24,
  page_size_of_old = 0x28,
  queue_select = 0x30,
  queue_most = 0x34,
  queue_size = 0x38,
  queue_align_of_old = 0x3c,
  queue_page_of_old = 0x40,
  queue_ready = 0x44,
  notify = 0x50,
  interrupt_status = 0x60,
  interrupt_acknowledge = 0x64,
  status = 0x70,
  descriptors = 0x80,
  available = 0x90,
  used = 0xa0,
  generation = 0xfc,
  config = 0x100,
};

class MmioDevice final : public dev::Device, public Transport, public irq::Handler {
  const Registers registers_;
  const u32 interrupt_;
  bool is_old_ = false;
  Listener* listener_ = nullptr;
  std::string_view device_;

  void dispose() override { mem::destroy(this); }
  u32 get(Reg r) const { return registers_.read<u32>(static_cast<u32>(r)); }
  void set(Reg r, u32 v) const { registers_.write(static_cast<u32>(r), v); }
  void set_address(Reg low, PhysAddr a) const {
    set(low, static_cast<u32>(a.value));
    set(static_cast<Reg>(static_cast<u32>(low) + 4), static_cast<u32>(a.value >> 32));
  }

 public:
  /// `interrupt`: a global one.
  MmioDevice(Registers r, u32 interrupt)
      : dev::Device(dev::platform_bus(), {}),
        registers_(r),
        interrupt_(interrupt) {}
  ~MmioDevice() = default;
  void put_event(mem::Text& out) const override { out.put("MODALIAS=platform:virtio-mmio\n"); }

  /// ENODEV: there is nothing.
  Result<void> look() {
    constexpr u32 magic = 0x74726976;  // "virt"
    if (get(Reg::magic) != magic) return Errno::enodev;
    const u32 version = get(Reg::version);
    if (version != 1 && version != 2) return Errno::enodev;
    is_old_ = version == 1;
    if (kind() == Kind::none) return Errno::enodev;
    if (is_old_) set(Reg::page_size_of_old, page_size);
    return {};
  }

  Kind kind() const override { return static_cast<Kind>(get(Reg::kind)); }
  u32 vendor() const override { return get(Reg::vendor); }
  u8 status() const override { return static_cast<u8>(get(Reg::status)); }
  void set_status(u8 s) override { set(Reg::status, s); }
  bool is_old() const override { return is_old_; }
  u64 offered_features() override {
    set(Reg::features_select, 1);
    const u64 high = get(Reg::features);
    set(Reg::features_select, 0);
    return high << 32 | get(Reg::features);
  }
  void accept_features(u64 features) override {
    set(Reg::driver_features_select, 1);
    set(Reg::driver_features, static_cast<u32>(features >> 32));
    set(Reg::driver_features_select, 0);
    set(Reg::driver_features, static_cast<u32>(features));
  }
  Result<void> listen(Listener& l, std::string_view device) override {
    listener_ = &l;
    device_ = device;
    constexpr u32 legacy_lines = 16;
    LegacyLine line{interrupt_, irq::Trigger::level, irq::Polarity::high};
    if (interrupt_ < legacy_lines) line = legacy_line(static_cast<u8>(interrupt_));
    return irq::request(line.gsi, line.trigger, line.polarity, *this);
  }
  u32 most_in_queue(u32 index) override {
    set(Reg::queue_select, index);
    return get(Reg::queue_most);
  }
  Result<void> connect(u32 index, const Queue::Addresses& at, u32 size) override {
    set(Reg::queue_select, index);
    set(Reg::queue_size, size);
    if (is_old_) {
      set(Reg::queue_align_of_old, page_size);
      set(Reg::queue_page_of_old, static_cast<u32>(pfn_of(at.descriptors).value));
      return {};
    }
    set_address(Reg::descriptors, at.descriptors);
    set_address(Reg::available, at.available);
    set_address(Reg::used, at.used);
    set(Reg::queue_ready, 1);
    return {};
  }
  void notify(u32 index) override { set(Reg::notify, index); }
  Registers config() const override { return registers_.from(static_cast<u32>(Reg::config)); }
  u32 config_generation() const override { return is_old_ ? 0 : get(Reg::generation); }
  bool handle() override {
    constexpr u32 used = 1, changed = 2;
    // The line may tell of its edges only: it must have been low when this is over.
    constexpr u32 bound = 16;
    u32 all = 0;
    for (u32 round = 0; round < bound; ++round) {
      const u32 what = get(Reg::interrupt_status);
      if (what == 0) break;
      set(Reg::interrupt_acknowledge, what);
      all |= what;
    }
    if ((all & used) != 0) listener_->queues_used();
    if ((all & changed) != 0) listener_->config_changed();
    return all != 0;
  }
  std::string_view name() const override { return device_; }
};

struct Named {
  u64 at, size;
  u32 irq;
};

/// "512@0xfeb00e00:12[:ID]"
std::optional<Named> parse_device(std::string_view s) {
  const std::optional<u64> size = parse_size(s, s);
  if (!size || !s.starts_with('@')) return std::nullopt;
  const std::optional<u64> at = parse_number(s.substr(1), s);
  if (!at || !s.starts_with(':')) return std::nullopt;
  const std::optional<u64> line = parse_number(s.substr(1), s);
  constexpr u64 least = 0x100, most = 0x10000, lines = 256;
  if (!line || *line >= lines || *size < least || *size > most || *at % 4 != 0 || *at + *size < *at)
    return std::nullopt;
  // The number that Linux gives the device.
  if (!s.empty() && (!s.starts_with(':') || !parse_u64(s.substr(1)))) return std::nullopt;
  return Named{*at, *size, static_cast<u32>(*line)};
}

/// Where devices of the command line stand.
dev::Object* named_devices() {
  static constinit dev::Object* place = nullptr;
  if (place == nullptr) place = dev::add_place(dev::devices_place(), "virtio-mmio-cmdline");
  return place;
}

/// Windows that have been taken, for ever.
struct Taken {
  u64 first, end;
  Taken* next;
};
constinit Taken* taken = nullptr;

/// EBUSY: some of it is another device's.
Result<void> take_window(const Named& n) {
  for (const Taken* t = taken; t != nullptr; t = t->next)
    if (n.at < t->end && t->first < n.at + n.size) return Errno::ebusy;
  taken = TRY(mem::Box<Taken>::make(ALLOC_SITE, n.at, n.at + n.size, taken)).release();
  return {};
}

Result<void> add_device(const Named& n, u32 index) {
  TRY(take_window(n));
  const Registers registers = TRY(Registers::map(PhysAddr(n.at), n.size));
  const Ref<MmioDevice> d = TRY(mem::make_ref<MmioDevice>(ALLOC_SITE, registers, n.irq));
  std::array<char, 24> memory;
  Writer name(memory);
  format_to(name, "virtio-mmio.{}", index);
  // As on Linux the device is there even when nothing answers.
  TRY(d->attach(name.text(), named_devices()));
  static constexpr std::string_view driver = "virtio-mmio";
  if (!d->look().ok()) return {};
  (void)d->set_driver(driver);
  offer(*d, *d);
  return {};
}

void setup() {
  std::string_view line = core::command_line();
  core::ParamWord word;
  u32 index = 0;
  // Behind "--" stands what is for the first program.
  while (core::next_param(line, word) && word.name != "--") {
    if (!core::same_param_name(word.name, "virtio_mmio.device")) continue;
    const std::optional<Named> n = parse_device(word.value);
    const Result<void> added = n ? add_device(*n, index++) : Errno::einval;
    if (!added.ok()) core::log_err("virtio-mmio: {}: {}", word.value, added.error());
  }
}
INIT_TASK(virtio_mmio, "virtio_drivers", "virtio_mmio", setup);

bool is_known(std::string_view) { return true; }
PARAM("virtio_mmio.device", is_known);

}  // namespace
}  // namespace auk::bus::virtio
