// Interrupts that a PCI function sends as messages. See PCI Local Bus Specification 3.0, 6.8.2.
//
// Data model: MsiX -> the function's table, an entry for each message; each is an input of an
// interrupt controller of its own. Locking: that of irq::Controller. Context: threads for setup().
#pragma once
#include "bus/pci/function.hpp"
#include "irq/irq.hpp"

namespace auk::bus::pci {

class MsiX final : public irq::Controller {
  Function& function_;
  Registers table_;
  irq::ControllerRange range_;
  std::array<char, 32> name_{};
  usize name_size_ = 0;

  void connect(u32 input, irq::Route r, irq::Trigger, irq::Polarity) override;
  void mask(u32 input) override;

 public:
  explicit MsiX(Function& f) : function_(f) {}
  ~MsiX() = default;
  MsiX(const MsiX&) = delete;
  MsiX& operator=(const MsiX&) = delete;
  std::string_view name() const override { return {name_.data(), name_size_}; }
  /// All are masked, and the function sends none but these. With success it must stay for ever.
  /// ENODEV: there are fewer than `least`, or they are not where it says; ENOMEM.
  Result<void> setup(u32 least);
  /// `message` is below `least`. The errors of irq::request().
  Result<void> request(u32 message, irq::Handler& h) {
    return irq::request(range_.first + message, irq::Trigger::edge, irq::Polarity::high, h);
  }
};

}  // namespace auk::bus::pci
