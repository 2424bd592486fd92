// Pins: who uses a file of a mount without being in the way of unmounting it.
//
// Purpose: a file that the kernel writes to for a program, until the mount goes through which it
// was named. Data model: the user opens the file through a mount of its own, which hangs nowhere
// and keeps the file system, and has a Pin with the mount that was named. All pins are on one list;
// there are few. Whoever makes that mount go, or its file system read-only, has the pins let go.
// Locking: level pins for the list. Context: threads.
#pragma once
#include "base/list.hpp"
#include "vfs/mount.hpp"

namespace auk::vfs {

class Pin : public RefCounted<Pin> {
  friend class Pins;
  ListNode node_;
  const Mount* mount_ = nullptr;  ///< not looked at once it has gone: the pin goes before

 public:
  static void destroy(Pin* p) { p->dispose(); }
  /// Gives the file up, and has called remove_pin() when it returns, whoever else does the same
  /// meanwhile. In threads that hold no lock from level accounting on.
  virtual void let_go() = 0;

 protected:
  Pin() = default;
  ~Pin() = default;
  virtual void dispose() = 0;
};

/// The same place through a fresh mount that hangs nowhere, with the flags of the one it has.
/// ENOMEM.
Result<Path> set_aside(const Path& at);
/// The caller keeps the mount meanwhile.
void add_pin(Pin& p, const Mount& m);
void remove_pin(Pin& p);
/// All those with this mount, or with mounts of this file system.
void release_pins(const Mount& m);
void release_pins(const Superblock& s);

}  // namespace auk::vfs
