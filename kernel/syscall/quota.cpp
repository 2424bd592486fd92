// Quotas, which no file system here has: see quotactl(2). What is said of that depends on whether
// there is a file system to say it of.
#include "generated/uapi/quota.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "vfs/mounting.hpp"

namespace auk::syscall::calls {
namespace {

struct Request {
  u32 command, type;
};

/// EINVAL: there are no quotas of such a kind.
Result<Request> request_of(u32 word) {
  constexpr u32 types = 3;  // of users, groups, projects
  const Request r{word >> uapi::subcmdshift, word & uapi::subcmdmask};
  if (r.type >= types) return Errno::einval;
  return r;
}

/// It could change something. Queries of single quotas count: they may make a record.
bool is_change(u32 command) {
  switch (command) {
    case uapi::q_getfmt:
    case uapi::q_getinfo:
    case uapi::q_sync:
    case uapi::q_xgetqstat:
    case uapi::q_xgetqstatv:
    case uapi::q_xgetquota:
    case uapi::q_xgetnextquota:
    case uapi::q_xquotasync: return false;
    default: return true;
  }
}

}  // namespace

Value quotactl(Task& me, u32 word, UserStr special, u32, UserAddr) {
  const Request r = TRY(request_of(word));
  if (special.is_null()) {
    // All file systems that have quotas are in order.
    if (r.command == uapi::q_sync) return u64{0};
    return Errno::enodev;
  }
  const mem::Box<PathText> text = TRY(PathText::load(special));
  const u64 device = TRY(vfs::disk_number(me.asker(), text->view()));
  return vfs::info_of_device(device).ok() ? Errno::enosys : Errno::enodev;
}

Value quotactl_fd(Task& me, Fd fd, u32 word, u32, UserAddr) {
  const Ref<io::File> f = TRY(me.files->get(fd.number));
  const Request r = TRY(request_of(word));
  vfs::WriteAccess write;
  if (const vfs::Path* const at = vfs::path_of(*f); at != nullptr && is_change(r.command))
    TRY(write.begin(*at->mount));
  return Errno::enosys;
}

}  // namespace auk::syscall::calls
