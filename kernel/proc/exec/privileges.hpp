// Whose rights a new program has: set-user-ID, set-group-ID, capabilities. See execve(2) and
// capabilities(7), "Transformation of capabilities during execve()".
//
// Context: the thread that execs, without locks.
#pragma once
#include "ident/cred.hpp"
#include "io/file.hpp"
#include "proc/task.hpp"

namespace auk::proc {

struct Privileges {
  Ref<ident::Cred> cred;
  /// More than the caller has: by owner or by capabilities.
  bool are_more = false;
  bool has_file_caps = false;
  bool is_effective = false;  ///< what is permitted is in force at once
  /// AT_SECURE: the program has rights that its caller had not. Known once they are assumed.
  bool is_secure = false;
};
/// Those that the program in `file` may have. ENOMEM; EPERM and EINVAL: its capabilities cannot be
/// had, or say nothing.
Result<Privileges> privileges_for(Task& me, const io::File& file);
/// Takes them, less what others could abuse; no other thread is left in the process, and nobody may
/// look into it from now on. Whether others may, once the program's memory is there.
bool assume(Task& me, Privileges& p);

}  // namespace auk::proc
