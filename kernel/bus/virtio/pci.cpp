// Virtio devices behind PCI. See Virtio 1.2, section 4.1.
//
// Data model: PciDevice -> three windows of its function: common registers, places to notify, and
// the configuration of its kind. One message tells of the configuration, one of all queues.
// Context: threads, interrupts for the two handlers. Differences from Linux: devices that have only
// the ports of old (4.1.4.8), or no messages, are left alone.
#include "base/text.hpp"
#include "bus/pci/msi_x.hpp"
#include "bus/virtio/device.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"

namespace auk::bus::virtio {
namespace {

using pci::Function;

constexpr u16 vendor_of_virtio = 0x1af4;
constexpr u16 first_transitional = 0x1000, first_modern = 0x1040, last_modern = 0x107f;

enum class Reg : u32 {
  features_select = 0,
  features = 4,
  driver_features_select = 8,
  driver_features = 12,
  config_message = 16,
  queues = 18,
  status = 20,
  generation = 21,
  queue_select = 22,
  queue_size = 24,
  queue_message = 26,
  queue_enable = 28,
  queue_notify_place = 30,
  descriptors = 32,
  available = 40,
  used = 48,
};

/// A piece of the function's windows that stands for something.
struct Piece {
  enum Kind : u8 { common = 1, notify = 2, config = 4 };
  u8 window = 0;
  u32 offset = 0, size = 0, multiplier = 0;
};

class PciDevice final : public Transport {
  static constexpr u32 config_message = 0, queue_message = 1, messages = 2;
  /// The end of one of the messages.
  class End final : public irq::Handler {
    PciDevice& device_;
    const bool is_config_;
    std::array<char, 32> name_{};
    usize name_size_ = 0;

   public:
    End(PciDevice& d, bool is_config) : device_(d), is_config_(is_config) {}
    void set_device(std::string_view device) {
      Writer name(name_);
      format_to(name, "{}-{}", device, is_config_ ? "config" : "virtqueues");
      name_size_ = name.text().size();
    }
    bool handle() override {
      if (is_config_)
        device_.listener_->config_changed();
      else
        device_.listener_->queues_used();
      return true;
    }
    std::string_view name() const override { return {name_.data(), name_size_}; }
  };

  Function& function_;
  pci::MsiX interrupts_;
  Registers common_, notify_, config_;
  u32 notify_multiplier_ = 0;
  u16* notify_places_ = nullptr;  ///< owned, of each queue
  u32 queues_ = 0;
  Listener* listener_ = nullptr;
  End config_end_{*this, true}, queue_end_{*this, false};

  template <class T> T get(Reg r) const { return common_.read<T>(static_cast<u32>(r)); }
  template <class T> void set(Reg r, std::type_identity_t<T> v) const {
    common_.write<T>(static_cast<u32>(r), v);
  }
  void set_address(Reg r, PhysAddr a) const {
    set<u32>(r, static_cast<u32>(a.value));
    common_.write(static_cast<u32>(r) + 4, static_cast<u32>(a.value >> 32));
  }
  Result<Piece> find(Piece::Kind kind) const;
  Result<Registers> map(const Piece& p, u32 least) const;

 public:
  explicit PciDevice(Function& f) : function_(f), interrupts_(f) {}
  ~PciDevice() { mem::free(notify_places_); }
  PciDevice(const PciDevice&) = delete;
  PciDevice& operator=(const PciDevice&) = delete;
  /// ENODEV: it is one of those that are left alone; ENOMEM.
  Result<void> look();

  Kind kind() const override {
    const u16 d = function_.header().device();
    return static_cast<Kind>(d >= first_modern ? d - first_modern
                                               : function_.header().subsystem_device());
  }
  u32 vendor() const override { return function_.header().subsystem_vendor(); }
  u8 status() const override { return get<u8>(Reg::status); }
  void set_status(u8 s) override;
  u64 offered_features() override {
    set<u32>(Reg::features_select, 1);
    const u64 high = get<u32>(Reg::features);
    set<u32>(Reg::features_select, 0);
    return high << 32 | get<u32>(Reg::features);
  }
  void accept_features(u64 features) override {
    set<u32>(Reg::driver_features_select, 0);
    set<u32>(Reg::driver_features, static_cast<u32>(features));
    set<u32>(Reg::driver_features_select, 1);
    set<u32>(Reg::driver_features, static_cast<u32>(features >> 32));
  }
  Result<void> listen(Listener& l, std::string_view device) override;
  u32 most_in_queue(u32 index) override {
    if (index >= queues_) return 0;
    set<u16>(Reg::queue_select, static_cast<u16>(index));
    return get<u16>(Reg::queue_size);
  }
  Result<void> connect(u32 index, const Queue::Addresses& at, u32 size) override;
  void notify(u32 index) override {
    notify_.write<u16>(usize{notify_places_[index]} * notify_multiplier_, static_cast<u16>(index));
  }
  Registers config() const override { return config_; }
  u32 config_generation() const override { return get<u8>(Reg::generation); }
};

/// The one of a kind that the device wants used first.
Result<Piece> PciDevice::find(Piece::Kind kind) const {
  constexpr u32 kind_at = 3, window_at = 4, offset_at = 8, size_at = 12, multiplier_at = 16;
  std::optional<u8> at = function_.header().find_capability(pci::capability::vendor_specific);
  // As many as fit.
  for (u32 n = 0; at && n < 64; ++n) {
    // Windows that no function has are for later versions.
    if (function_.header().read8(*at + kind_at) == kind &&
        function_.header().read8(*at + window_at) < pci::most_windows)
      return Piece{function_.header().read8(*at + window_at),
                   function_.header().read32(*at + offset_at),
                   function_.header().read32(*at + size_at),
                   *at < 256 - multiplier_at ? function_.header().read32(*at + multiplier_at) : 0};
    at = function_.header().find_capability(pci::capability::vendor_specific, *at);
  }
  return Errno::enodev;
}

Result<Registers> PciDevice::map(const Piece& p, u32 least) const {
  if (p.size < least) return Errno::enodev;
  return function_.map(p.window, p.offset, p.size);
}

Result<void> PciDevice::look() {
  constexpr u32 common_size = 56;
  const Piece common = TRY(find(Piece::common));
  common_ = TRY(map(common, common_size));
  const Piece notify = TRY(find(Piece::notify));
  notify_ = TRY(map(notify, 2));
  notify_multiplier_ = notify.multiplier;
  if (Result<Piece> config = find(Piece::config); config.ok()) config_ = TRY(map(config.take(), 1));
  queues_ = get<u16>(Reg::queues);
  notify_places_ = static_cast<u16*>(TRY(mem::allocate(ALLOC_SITE, queues_ * sizeof(u16) + 1)));
  // Last: its interrupts are known from then on.
  return interrupts_.setup(messages);
}

void PciDevice::set_status(u8 s) {
  set<u8>(Reg::status, s);
  // A reset is over when it can be read back.
  constexpr u32 most_tries = 1000;
  for (u32 tries = 0; s == 0 && status() != 0 && tries < most_tries; ++tries) {}
}

Result<void> PciDevice::listen(Listener& l, std::string_view device) {
  listener_ = &l;
  config_end_.set_device(device);
  queue_end_.set_device(device);
  TRY(interrupts_.request(config_message, config_end_));
  TRY(interrupts_.request(queue_message, queue_end_));
  set<u16>(Reg::config_message, config_message);
  return get<u16>(Reg::config_message) == config_message ? Result<void>() : Errno::ebusy;
}

Result<void> PciDevice::connect(u32 index, const Queue::Addresses& at, u32 size) {
  if (index >= queues_) return Errno::enodev;
  set<u16>(Reg::queue_select, static_cast<u16>(index));
  const u16 place = get<u16>(Reg::queue_notify_place);
  if (u64{place} * notify_multiplier_ + 2 > notify_.size()) return Errno::enodev;
  notify_places_[index] = place;
  set<u16>(Reg::queue_size, static_cast<u16>(size));
  set_address(Reg::descriptors, at.descriptors);
  set_address(Reg::available, at.available);
  set_address(Reg::used, at.used);
  set<u16>(Reg::queue_message, queue_message);
  if (get<u16>(Reg::queue_message) != queue_message) return Errno::ebusy;
  set<u16>(Reg::queue_enable, 1);
  return {};
}

class PciDriver final : public pci::Driver {
 public:
  constexpr PciDriver() : Driver("virtio-pci") {}
  bool is_for(const Function& f) const override {
    const pci::Header& h = f.header();
    return h.vendor() == vendor_of_virtio && h.device() >= first_transitional &&
           h.device() <= last_modern;
  }
  Result<void> probe(Function& f) override {
    mem::Box<PciDevice> d = TRY(mem::Box<PciDevice>::make(ALLOC_SITE, f));
    TRY(d->look());
    // It stays.
    offer(*d.release(), f);
    return {};
  }
};
constinit PciDriver driver;

void setup() { pci::register_driver(driver); }
INIT_TASK(virtio_pci, "pci_bus virtio_bus", "pci_drivers", setup);

}  // namespace
}  // namespace auk::bus::virtio
