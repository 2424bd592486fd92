// Purpose: `auk run`: what is asked for, and the parts that make a guest of it.
#pragma once

#include "support.hpp"

namespace auk {

// Beside the command's own exit code, and 128 + N for one that signal N ended.
enum RunExit : int {
  run_timed_out = 124,
  run_tool_failed = 125,
  run_guest_vanished = 254,
  run_guest_panicked = 255,
};

// A file or folder of the host that is put into the guest's root.
struct GuestCopy {
  fs::path source;
  std::string path;
};

struct RunOptions {
  std::string kernel;  // a file, or "linux" for the judge; empty: the profile's image
  std::string profile = "dev";
  std::string root = "debian";       // or "busybox"
  fs::path initrd;                   // instead of a root
  fs::path image;                    // likewise: a folder or an archive without an /init of its own
  std::vector<std::string> install;  // packages, beside those of Debian's root
  std::string machine = "microvm";
  std::string ports;  // "virtio" or "serial"; empty: what the kernel is known to have
  int memory_mib = 512;
  int cpus = 0;  // 0: as many as there are, at most four
  std::string append;
  double timeout = 0;  // seconds; 0: none
  bool log = false;    // shows the kernel's
  bool debug = false;  // waits for gdb
  bool trace_missing = false, quiet = false;
  int json_status = -1;
  std::vector<std::string> environment;
  std::string user;  // "name", "name:group" or numbers; empty: root
  std::string folder = "/";
  std::vector<GuestCopy> copies;
  std::vector<std::string> qemu;  // more words of its command line
  std::vector<std::string> command;
};

// --- guest.cpp: what the guest's first root is made of --------------------------------------
constexpr auto busybox_program = "/bin/busybox";
// Where each of its names stands: "usr/bin/env".
std::vector<std::string> busybox_names();
class Cpio;
// The folders of any root and the files of /etc, for users with this shell.
void add_common_files(Cpio& root, std::string_view shell);
// busybox with all its names; made anew only if it or the tool changed.
fs::path busybox_root();
// --- debian.cpp -----------------------------------------------------------------------------
// Where Debian's roots are kept: whoever wants newer packages, or the space, removes them.
constexpr auto roots_folder = "build/guest/roots";
// An archive of Debian 12 with the packages of tools/guest/debian.txt and these, and busybox's
// names where they leave a gap; made anew only if the list changed.
fs::path debian_root(std::vector<std::string> const& asked_for);

// --- scratch.cpp ----------------------------------------------------------------------------
// A folder for short-lived files of so many bytes: of memory if there is enough of it, since a disk
// that is told of every file takes many times as long.
fs::path scratch_place(std::uintmax_t bytes);

// --- image.cpp ------------------------------------------------------------------------------
// What --image names as a cpio archive, which may be compressed; made anew only if it changed.
fs::path image_root(fs::path const& image);
// The same as a file system on a disk of whole MiB.
fs::path image_disk(fs::path const& image);

// auk-init, the command and the copies, to follow any root.
struct TerminalSize {
  int rows = 0, columns = 0;
};
// With modules that must be there before the disk is.
std::string command_archive(RunOptions const&, std::optional<TerminalSize> terminal, bool on_disk,
                            std::vector<fs::path> const& modules);
// Where auk-init finds a module: it loads those of a folder in the order of their names.
std::string module_place(std::string_view folder, std::size_t order, fs::path const& file);

// --- judge.cpp ------------------------------------------------------------------------------
constexpr auto judge_kernel = "build/judge/vmlinuz";
// Debian's Linux of the version whose headers the build uses; downloaded once.
fs::path linux_judge();
/// One of its modules, without compression. Throws if there is none of the name.
fs::path linux_module(std::string const& name);

// --- accelerator.cpp ------------------------------------------------------------------------
// True if KVM runs a guest's instructions. Asked once per boot of the host.
bool kvm_works();
// Of the host; a translated guest reads the same counter.
std::int64_t tsc_khz();

}  // namespace auk
