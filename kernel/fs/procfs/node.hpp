// procfs: the kernel and its processes as files. See proc(5).
//
// Purpose: programs learn about processes, memory and mounts by reading text.
// Data model: a Node is a constant object for each name there can be ("status", "a descriptor of a
// process"). With a Subject (a process or thread by its Pid, a number among its like) it makes a
// ProcInode. Nothing about a process is kept here: each access finds it anew, and answers ENOENT or
// ESRCH when it has gone. So no directory caches its names (vfs::Cached::none), and a process that
// ends has nothing to take back. All mounts that show the first namespace of processes are of one
// superblock, which a mount that hangs nowhere keeps; those of others have one each.
// Inode numbers are a hash of the path, so that they stay the same. Locking: none of its own; what
// a file says is gathered under the locks of those it speaks of. Context: threads.
// Differences from Linux: files of a process whose first thread has ended show another thread's
// memory and descriptors instead of nothing. Times of a process's files are those of its start.
#pragma once
#include "proc/task.hpp"
#include "vfs/mounting.hpp"
#include "vfs/report.hpp"

namespace auk::fs::procfs {

/// What a file speaks of.
struct Subject {
  Ref<ident::Pid> pid;     ///< null: the kernel
  bool is_thread = false;  ///< one thread, not the process of this number
  u32 number = 0;          ///< of a descriptor, of a variable
  /// Whose numbers are shown; the superblock's.
  ident::PidNamespace* space = nullptr;
  bool operator==(const Subject&) const = default;
};

class Node;
struct Entry {
  const Node* node = nullptr;
  Subject subject;
  u32 mode = 0;  ///< type and rights
};

/// The entries of a directory, for getdents(2), from a position on. "." and ".." are there already.
class Listing {
  u64 directory_;
  u64& position_;
  io::DirSink& sink_;

 public:
  Listing(u64 directory, u64& position, io::DirSink& sink)
      : directory_(directory),
        position_(position),
        sink_(sink) {}
  u64 position() const { return position_; }
  void skip_to(u64 position) { position_ = position; }
  /// The entry of a position that is not behind us. False when the buffer is full.
  bool add(u64 position, std::string_view name, u32 mode);
  bool add_number(u64 position, u32 number, u32 mode);
};

class Node {
  std::string_view name_;
  u32 mode_;

 protected:
  constexpr Node(std::string_view name, u32 mode) : name_(name), mode_(mode) {}
  ~Node() = default;

 public:
  std::string_view name() const { return name_; }
  u32 mode() const { return mode_; }
  virtual u64 size(const Subject&) const { return 0; }
  /// The caller may do everything, whatever mode and owner say.
  virtual bool grants(const Subject&) const { return false; }
  // Of directories. ENOENT; that of a process which has gone answers ESRCH.
  virtual Result<Entry> find(const Subject& s, std::string_view name) const;
  virtual Result<void> list(const Subject& s, Listing& out) const;
  // Of links.
  /// An ordinary one's target, as it is for the caller now; empty for a magic one.
  virtual std::string_view write_target(const Subject&, std::span<char>) const { return {}; }
  virtual bool is_magic() const { return false; }
  virtual Result<vfs::Path> jump(const Subject& s) const;
  virtual Result<usize> read_target(const Subject& s, const vfs::Path& root,
                                    std::span<char> out) const;
  // Of files.
  virtual Result<Ref<io::File>> open(const Subject& s, u32 flags) const;
};

/// A directory whose names are known when the kernel is built.
class Directory : public Node {
 protected:
  constexpr Directory(std::string_view name, u32 rights)
      : Node(name, vfs::mode::directory | rights) {}
  ~Directory() = default;
  /// In the order of getdents(2). Nodes stand in several files, which know them by these pointers.
  using Nodes = std::span<const Node* const* const>;
  virtual Nodes nodes() const = 0;

 public:
  /// The position behind the last of nodes().
  u64 end_position() const { return 2 + nodes().size(); }
  Result<Entry> find(const Subject& s, std::string_view name) const override;
  Result<void> list(const Subject& s, Listing& out) const override;
};

/// A file of text.
class TextNode : public Node {
 protected:
  constexpr TextNode(std::string_view name, u32 rights) : Node(name, vfs::mode::regular | rights) {}
  ~TextNode() = default;
  /// Who opens it may read it. EACCES.
  virtual Result<void> check_reader(const Subject&) const { return {}; }

 public:
  /// As vfs::ReportFile::write_record().
  virtual Result<bool> write_record(const Subject& s, u64& key, mem::Text& out) const = 0;
  /// Linux has splice(2) for few files of processes.
  virtual bool can_splice_from(const Subject& s) const { return !s.pid; }
  /// What pwritev2(2) may ask of it, and whether splice(2) may.
  virtual io::WaysOf ways_of_writing() const { return io::WaysOf::nothing; }
  /// write(2) at the file. EINVAL, EIO.
  virtual Result<usize> store(const Subject& s, io::IoBuf&) const {
    return s.pid ? Errno::einval : Errno::eio;
  }
  Result<Ref<io::File>> open(const Subject& s, u32 flags) const override;
};

/// One whose whole text is one record.
class ShortText : public TextNode {
 protected:
  using TextNode::TextNode;
  ~ShortText() = default;
  virtual Result<void> write(const Subject& s, mem::Text& out) const = 0;

 public:
  Result<bool> write_record(const Subject& s, u64& key, mem::Text& out) const final;
};

/// One that speaks of the kernel, whoever asks.
template <auto put> class KernelText final : public ShortText {
  Result<void> write(const Subject&, mem::Text& out) const override {
    put(out);
    return {};
  }

 public:
  constexpr explicit KernelText(std::string_view name, u32 rights = 0444)
      : ShortText(name, rights) {}
};

// subject.cpp
/// ESRCH.
Result<Ref<proc::Group>> process_of(const Subject& s);
/// The thread, or any of the process. ESRCH: it has ended.
Result<Ref<proc::Task>> thread_of(const Subject& s);
/// The caller may look into the process as ptrace(2)'s PTRACE_MODE_READ_FSCREDS has it. EACCES,
/// ESRCH.
Result<void> check_look(const Subject& s);
struct Owner {
  u32 uid = 0, gid = 0;
};
/// Root's once nobody may look into the process any more, but for a directory that shows nothing.
Owner owner_of(const Subject& s, u32 mode);
i64 start_time_of(const Subject& s);

/// A number without leading zeros.
std::optional<u32> parse_name(std::string_view name);

// counters.cpp
extern const Node* const kernel_stat_node;
extern const Node* const loadavg_node;
extern const Node* const softirqs_node;
extern const Node* const interrupts_node;
// meminfo.cpp
extern const Node* const meminfo_node;
extern const Node* const vmstat_node;
// x86_64/cpuinfo.cpp
extern const Node* const cpuinfo_node;
// kernel.cpp
extern const Node* const devices_node;
extern const Node* const filesystems_node;
extern const Node* const kernel_cmdline_node;
extern const Node* const locks_node;
extern const Node* const swaps_node;
extern const Node* const uptime_node;
extern const Node* const version_node;
extern const Node* const kmsg_node;
// tty.cpp
extern const Node* const consoles_node;
extern const Node* const tty_node;
// sys.cpp
extern const Node* const sys_node;
// The directories.
extern const Node* const root_node;
extern const Node* const process_node;
/// The process that /proc/PID speaks of; null for every other inode.
ident::Pid* process_of_directory(const vfs::Inode& inode);
/// A path to what has none: a pipe, a socket.
Result<vfs::Path> path_to(io::File& file);
vfs::Mount& hidden_mount();

}  // namespace auk::fs::procfs
