// Finding what a file speaks of, and who may ask.
#include "base/text.hpp"
#include "fs/procfs/node.hpp"
#include "proc/access.hpp"

namespace auk::fs::procfs {

using proc::Group;
using proc::Task;

Result<Ref<Group>> process_of(const Subject& s) {
  auto t = proc::tree.lock();
  if (s.pid->group != nullptr) return Ref<Group>(*static_cast<Group*>(s.pid->group));
  if (s.pid->task != nullptr) return Ref<Group>(static_cast<Task*>(s.pid->task)->group);
  return Errno::esrch;
}

Result<Ref<Task>> thread_of(const Subject& s) {
  auto t = proc::tree.lock();
  if (s.pid->task != nullptr) return Ref<Task>(*static_cast<Task*>(s.pid->task));
  if (s.is_thread || s.pid->group == nullptr) return Errno::esrch;
  auto& g = *static_cast<Group*>(s.pid->group);
  if (g.tasks.empty()) return Errno::esrch;
  return Ref<Task>(*g.tasks.front());
}

Result<void> check_look(const Subject& s) {
  const Ref<Task> target = TRY(thread_of(s));
  if (!proc::may_access(proc::current(), *target, proc::Ids::file_system).ok())
    return Errno::eacces;
  return {};
}

Owner owner_of(const Subject& s, u32 mode) {
  constexpr u32 open_directory = vfs::mode::directory | 0555;
  if (!s.pid) return {};
  Result<Ref<Task>> found = thread_of(s);
  if (!found.ok()) {
    // A zombie's directory is still its user's.
    Result<Ref<Group>> process = process_of(s);
    if (!process.ok() || mode != open_directory) return {};
    return {.uid = process.take()->uid};
  }
  const Ref<Task> t = found.take();
  bool is_dumpable = true;
  {
    auto tree = proc::tree.lock();
    is_dumpable = t->group->is_dumpable;
  }
  if (!is_dumpable && mode != open_directory) return {};
  const Ref<ident::Cred> c = t->cred_ref();
  return {.uid = c->euid, .gid = c->egid};
}

i64 start_time_of(const Subject& s) {
  u64 start = core::clock_ns();
  if (Result<Ref<Task>> t = thread_of(s); s.is_thread && t.ok())
    start = t.take()->start_ns;
  else if (Result<Ref<Group>> g = process_of(s); g.ok())
    start = g.take()->start_ns;
  return core::real_ns() - static_cast<i64>(core::clock_ns() - start);
}

std::optional<u32> parse_name(std::string_view name) {
  if (name.size() > 1 && name.starts_with('0')) return std::nullopt;
  constexpr u64 most = 0xffffffff;
  u64 n = 0;
  if (name.empty()) return std::nullopt;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
    n = n * 10 + static_cast<u64>(c - '0');
    if (n > most) return std::nullopt;
  }
  return static_cast<u32>(n);
}

}  // namespace auk::fs::procfs
