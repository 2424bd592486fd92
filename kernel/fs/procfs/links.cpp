// Links that lead to objects: exe, cwd, root, the descriptors of a process; and the text of paths.
#include "fs/procfs/process.hpp"

#include <algorithm>

#include "proc/nsfs.hpp"
#include "vfs/operations.hpp"

namespace auk::fs::procfs {

using proc::Task;

namespace {

/// d_path(): as readlink(2) shows where a magic link leads.
Result<usize> write_path(const vfs::Path& p, const vfs::Path& root, std::span<char> out) {
  using Scratch = std::array<char, vfs::path_max>;
  const mem::Box<Scratch> scratch = TRY(mem::Box<Scratch>::make(ALLOC_SITE));
  bool reachable = false;
  const std::string_view path = TRY(vfs::path_name(p, root, *scratch, reachable));
  Writer text(out);
  text.put(path);
  if (p.dentry->lost_name()) text.put(" (deleted)");
  return text.text().size();
}

class PlaceLink : public Node {
 protected:
  constexpr explicit PlaceLink(std::string_view name) : Node(name, vfs::mode::link | 0777) {}
  ~PlaceLink() = default;
  virtual Result<vfs::Path> place(Task& t) const = 0;

 public:
  bool is_magic() const final { return true; }
  Result<vfs::Path> jump(const Subject& s) const final {
    Result<Ref<Task>> found = thread_of(s);
    if (!found.ok()) return Errno::enoent;
    const Ref<Task> t = found.take();
    TRY(check_look(s));
    Result<vfs::Path> p = place(*t);
    if (!p.ok()) return Errno::enoent;
    return p;
  }
  Result<usize> read_target(const Subject& s, const vfs::Path& root,
                            std::span<char> out) const final {
    const vfs::Path p = TRY(jump(s));
    return write_path(p, root, out);
  }
};

class CwdLink final : public PlaceLink {
 public:
  constexpr CwdLink() : PlaceLink("cwd") {}
  Result<vfs::Path> place(Task& t) const override {
    return t.inspect(&Task::fs, [](vfs::FsContext& f) { return Result<vfs::Path>(f.cwd()); });
  }
};
class RootLink final : public PlaceLink {
 public:
  constexpr RootLink() : PlaceLink("root") {}
  Result<vfs::Path> place(Task& t) const override {
    return t.inspect(&Task::fs, [](vfs::FsContext& f) { return Result<vfs::Path>(f.root()); });
  }
};
class ExeLink final : public PlaceLink {
 public:
  constexpr ExeLink() : PlaceLink("exe") {}
  Result<vfs::Path> place(Task& t) const override {
    const Ref<vm::AddressSpace> space = t.space_of();
    if (!space || !space->program()) return Errno::enoent;
    const vfs::Path* const p = vfs::path_of(static_cast<const io::File&>(*space->program()));
    if (p == nullptr) return Errno::enoent;
    return *p;
  }
};
constexpr CwdLink cwd_link;
constexpr RootLink root_link;
constexpr ExeLink exe_link;

/// What stands in ns/.
enum class Which : u8 { mounts, pids, pids_of_children };
class NamespaceLink final : public Node {
  Which which_;

  /// ENOENT.
  Result<proc::Namespaces> chosen(Task& t) const {
    if (which_ == Which::pids)
      return proc::Namespaces{.mounts = {}, .pids = Ref<ident::PidNamespace>(t.pid_space())};
    const Ref<proc::NamespaceSet> set = TRY(t.namespace_set());
    if (which_ == Which::mounts) return proc::Namespaces{.mounts = set->mounts, .pids = {}};
    auto tree = proc::tree.lock();
    const ident::PidNamespace& children = *set->pids_of_children;
    // Not before somebody was there.
    if (children.first_process == nullptr && !children.is_closed()) return Errno::enoent;
    return proc::Namespaces{.mounts = {}, .pids = set->pids_of_children};
  }

 public:
  constexpr NamespaceLink(std::string_view name, Which w)
      : Node(name, vfs::mode::link | 0777),
        which_(w) {}
  bool is_magic() const override { return true; }
  Result<vfs::Path> jump(const Subject& s) const override {
    Result<Ref<Task>> found = thread_of(s);
    if (!found.ok()) return Errno::enoent;
    const Ref<Task> t = found.take();
    TRY(check_look(s));
    Result<proc::Namespaces> n = chosen(*t);
    if (!n.ok()) return Errno::enoent;
    return proc::path_to(n.take());
  }
  Result<usize> read_target(const Subject& s, const vfs::Path&,
                            std::span<char> out) const override {
    const vfs::Path p = TRY(jump(s));
    return p.inode().shown_name(out).size();
  }
};
constexpr NamespaceLink mount_namespace_link("mnt", Which::mounts);
constexpr NamespaceLink pid_namespace_link("pid", Which::pids);
constexpr NamespaceLink child_namespace_link("pid_for_children", Which::pids_of_children);
constinit const Node* const mount_namespace_node = &mount_namespace_link;
constinit const Node* const pid_namespace_node = &pid_namespace_link;
constinit const Node* const child_namespace_node = &child_namespace_link;

class NamespaceDirectory final : public Directory {
  Nodes nodes() const override {
    static constexpr std::array<const Node* const*, 3> list{
        &pid_namespace_node, &child_namespace_node, &mount_namespace_node};
    return list;
  }

 public:
  constexpr NamespaceDirectory() : Directory("ns", 0511) {}
};
constexpr NamespaceDirectory namespace_directory;

Result<Ref<io::File>> file_at(const Subject& s) {
  const Ref<Task> t = TRY(thread_of(s));
  return t->inspect(&Task::files,
                    [&](io::FdTable& files) { return files.get(static_cast<int>(s.number)); });
}

/// For callers who may look into the process. EACCES, ENOENT, ESRCH.
Result<Ref<io::File>> looked_up_file(const Subject& s) {
  TRY(check_look(s));
  Result<Ref<io::File>> found = file_at(s);
  if (!found.ok()) return Errno::enoent;
  return found;
}

class DescriptorLink final : public Node {
 public:
  constexpr DescriptorLink() : Node("", vfs::mode::link | 0700) {}
  u64 size(const Subject&) const override { return 64; }
  bool is_magic() const override { return true; }
  Result<vfs::Path> jump(const Subject& s) const override {
    const Ref<io::File> file = TRY(looked_up_file(s));
    if (const vfs::Path* const p = vfs::path_of(*file)) return *p;
    return path_to(*file);
  }
  Result<usize> read_target(const Subject& s, const vfs::Path& root,
                            std::span<char> out) const override {
    const Ref<io::File> file = TRY(looked_up_file(s));
    // What was opened through /proc has a path that leads nowhere.
    const vfs::Path* const p = vfs::path_of(*file);
    if (p != nullptr && p->mount.get() != &hidden_mount() && !proc::is_on_nsfs(*p))
      return write_path(*p, root, out);
    const io::FileKind* const kind = file->kind();
    Writer text(out);
    if (kind == nullptr || !kind->is_numbered) {
      format_to(text, "anon_inode:{}", kind == nullptr ? std::string_view() : kind->name);
    } else {
      io::FileStat stat;
      TRY(file->stat(stat));
      format_to(text, "{}:[{}]", kind->name, stat.inode);
    }
    return text.text().size();
  }
};
constexpr DescriptorLink descriptor_link;

/// fdinfo/N.
class DescriptorInfo final : public ShortText {
  Result<void> check_reader(const Subject& s) const override { return check_look(s); }
  Result<void> write(const Subject& s, mem::Text& out) const override {
    const Ref<Task> t = TRY(thread_of(s));
    bool closes = false;
    const Ref<io::File> file =
        TRY(t->inspect(&Task::files, [&](io::FdTable& files) -> Result<Ref<io::File>> {
          const int fd = static_cast<int>(s.number);
          closes = TRY(files.close_on_exec(fd));
          return files.get(fd);
        }));
    io::FileStat stat;
    TRY(file->stat(stat));
    u32 mount = 0;
    if (const vfs::Path* const p = vfs::path_of(*file)) mount = p->mount->id();
    const u32 flags = file->flags() | (closes ? vfs::open_flag::close_on_exec : 0);
    out.print("pos:\t{}\nflags:\t0{:o}\nmnt_id:\t{}\nino:\t{}\n", file->position(), flags, mount,
              stat.inode);
    file->show_info(*s.space, out);
    return {};
  }

 public:
  constexpr DescriptorInfo() : ShortText("", 0444) {}
};
constexpr DescriptorInfo descriptor_info;

constexpr u32 most_descriptor = 0x7fffffff;

/// A directory with an entry for each open descriptor.
class Descriptors : public Node {
 protected:
  constexpr Descriptors(std::string_view name, u32 rights)
      : Node(name, vfs::mode::directory | rights) {}
  ~Descriptors() = default;
  virtual Entry entry(const Subject& s, u32 number, const io::File& f) const = 0;

 public:
  Result<Entry> find(const Subject& s, std::string_view name) const final {
    const std::optional<u32> number = parse_name(name);
    if (!number || *number > most_descriptor || !thread_of(s).ok()) return Errno::enoent;
    Subject it = s;
    it.number = *number;
    const Ref<io::File> f = TRY(looked_up_file(it));
    return entry(s, *number, *f);
  }
  Result<void> list(const Subject& s, Listing& out) const final {
    (void)TRY(process_of(s));
    Result<Ref<Task>> found = thread_of(s);
    if (!found.ok()) return {};
    const Ref<Task> t = found.take();
    TRY(check_look(s));
    while (out.position() - 2 <= most_descriptor) {
      u32 fd = 0;
      // The file goes without the lock, which may be its end.
      Result<Ref<io::File>> next =
          t->inspect(&Task::files, [&](io::FdTable& files) -> Result<Ref<io::File>> {
            for (auto n = static_cast<int>(out.position() - 2);; ++n) {
              n = TRY(files.next(n));
              fd = static_cast<u32>(n);
              // Unless it was closed just now.
              if (Result<Ref<io::File>> f = files.get(n); f.ok()) return f;
            }
          });
      if (!next.ok()) return {};
      const Ref<io::File> f = next.take();
      if (!out.add_number(u64{fd} + 2, fd, entry(s, fd, *f).mode)) return {};
    }
    return {};
  }
};

class FdDirectory final : public Descriptors {
  /// A process may always look at its own.
  bool grants(const Subject& s) const override {
    Result<Ref<proc::Group>> g = process_of(s);
    return g.ok() && g.take() == proc::current().group;
  }
  Entry entry(const Subject& s, u32 number, const io::File& f) const override {
    Entry e{&descriptor_link, s, vfs::mode::link};
    e.subject.number = number;
    if ((f.flags() & vfs::open_flag::path) != 0) return e;
    if (f.is_readable()) e.mode |= 0500;
    if (f.is_writable()) e.mode |= 0300;
    return e;
  }

 public:
  constexpr FdDirectory() : Descriptors("fd", 0500) {}
};
class FdInfoDirectory final : public Descriptors {
  Entry entry(const Subject& s, u32 number, const io::File&) const override {
    Entry e{&descriptor_info, s, descriptor_info.mode()};
    e.subject.number = number;
    return e;
  }

 public:
  constexpr FdInfoDirectory() : Descriptors("fdinfo", 0555) {}
};
constexpr FdDirectory fd_directory;
constexpr FdInfoDirectory fdinfo_directory;

}  // namespace

constinit const Node* const ns_node = &namespace_directory;
constinit const Node* const cwd_node = &cwd_link;
constinit const Node* const root_link_node = &root_link;
constinit const Node* const exe_node = &exe_link;
constinit const Node* const fd_node = &fd_directory;
constinit const Node* const fdinfo_node = &fdinfo_directory;

}  // namespace auk::fs::procfs
