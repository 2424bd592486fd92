// Device interrupts: descriptors, the controllers behind them, the handlers in front.
//
// Purpose: a driver asks for an interrupt by its global system interrupt number and gets called; it
// knows neither vectors nor controllers.
// Data model: Desc (one per interrupt in use) -> Controller (connect, mask) and a list of handlers
// (level interrupts are shared). Each CPU has a table from vector to Desc; an interrupt is routed
// to one CPU and vector. Locking: level irq_desc, one lock per descriptor, held while its handlers
// run: it is the outermost spinning lock, so a handler may take any other, and release() cannot
// return while one runs. Context: request() and release() in threads; handlers in hard interrupt
// context. Differences from Linux: handlers are objects with a virtual call, checked by CFI; an
// interrupt is never handled on two CPUs at once.
#pragma once
#include <span>
#include <string_view>

#include "base/atomic.hpp"
#include "base/list.hpp"
#include "base/result.hpp"
#include "base/types.hpp"
#include "machine/isa/message.hpp"

namespace auk::irq {

enum class Trigger : u8 { edge, level };
enum class Polarity : u8 { high, low };

/// A driver's end of an interrupt. Lives in the driver, which releases it before it dies.
class Handler {
  friend class Desc;
  ListNode node_;

 public:
  /// True when the device had something to say. Context: hard interrupt, interrupts off.
  virtual bool handle() = 0;
  /// The device's, as /proc/interrupts has it.
  virtual std::string_view name() const = 0;

 protected:
  constexpr Handler() = default;
  ~Handler() = default;
};

/// Where an interrupt is delivered.
struct Route {
  CpuId cpu;
  u8 vector = 0;
};

/// An interrupt controller's inputs. Called under the descriptor's lock, interrupts off.
class Controller {
 public:
  /// Delivers the input to `route` from now on.
  virtual void connect(u32 input, Route route, Trigger trigger, Polarity polarity) = 0;
  virtual void mask(u32 input) = 0;
  /// As /proc/interrupts has it.
  virtual std::string_view name() const = 0;

 protected:
  constexpr Controller() = default;
  ~Controller() = default;
};

/// A controller takes the inputs [first, first + count) of the global number space.
struct ControllerRange {
  Controller* controller = nullptr;
  u32 first = 0;
  u32 count = 0;
  ListNode node;
};
/// Boot CPU, before the first request. `range` stays for ever.
void add_controller(ControllerRange& range);
/// The same for inputs that no table numbers, such as those of a device that sends messages:
/// `first` is set to the next free number.
void add_numbered(ControllerRange& range);

/// Connects `handler` to a global interrupt number. ENODEV: no controller has it; ENOSPC: no vector
/// is left; EBUSY: it is in use with another trigger; ENOMEM.
Result<void> request(u32 gsi, Trigger trigger, Polarity polarity, Handler& handler);
/// The handler does not run any more when this returns.
void release(u32 gsi, Handler& handler);

/// From the entry path, before the end of interrupt: runs the handlers of a vector on this CPU.
void dispatch(unsigned vector);

/// What is known of an interrupt in use.
struct Line {
  u32 gsi = 0, input = 0;
  Trigger trigger = Trigger::edge;
  std::string_view controller, handler;  ///< one handler of several; a driver's name stays
  const Atomic<u64>* counts = nullptr;   ///< how often it came, by CPU; they stay
};
/// The first one from `gsi` on. False: there is none.
bool next_line(u32 gsi, Line& out);

/// What a device writes, and where, to interrupt as `route` says.
machine::InterruptMessage message_for(Route route);

/// How controllers address CPUs, by their numbers. Once at boot; the array stays.
void set_cpu_addresses(std::span<const u32> addresses);
u32 address_of(CpuId cpu);

/// The vectors devices may use; set by the entry floor before the first request.
void set_vector_range(unsigned first, unsigned last);

}  // namespace auk::irq
