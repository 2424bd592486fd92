// Whose rights a new program has: set-user-ID, set-group-ID, capabilities. See execve(2) and
// capabilities(7), "Transformation of capabilities during execve()".
//
// Context: the thread that execs, without locks. Differences from Linux: files have no
// capabilities of their own.
#pragma once
#include "ident/cred.hpp"
#include "io/file.hpp"
#include "proc/task.hpp"

namespace auk::proc {

struct Privileges {
  Ref<ident::Cred> cred;
  /// AT_SECURE: the program has rights that its caller had not.
  bool is_secure = false;
};
/// Those of the program in `file`. ENOMEM.
Result<Privileges> privileges_for(Task& me, const io::File& file);
/// The program's owner is not its caller, and counts: a set-id program.
bool has_other_owner(Task& me, const io::File& file);
/// Takes them; no other thread is left in the process, and nobody may look into it from now on.
/// Whether others may, once the program's memory is there.
bool assume(Task& me, Privileges p);

}  // namespace auk::proc
