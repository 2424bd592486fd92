// Waiting for children: wait4(2), waitid(2).
#include "generated/uapi/wait.hpp"
#include "proc/exit.hpp"
#include "proc/family.hpp"
#include "proc/usage.hpp"

namespace auk::proc {
namespace {

bool matches(const Group& child, const WaitRequest& r) {
  const bool is_clone = child.exit_signal != static_cast<u32>(uapi::sigchld);
  if (!r.has(uapi::wall) && is_clone != r.has(uapi::wclone)) return false;
  switch (r.which) {
    case WaitRequest::Which::any: return true;
    case WaitRequest::Which::pid: return child.number() == r.number;
    case WaitRequest::Which::process_group:
      return child.process_group && child.process_group_number() == r.number;
  }
  return false;
}

enum class Found : u8 { event, children, none };

/// What a child has to say; `none` if nothing that is asked for.
Found look_at(Group& me, Group& child, const WaitRequest& r, WaitAnswer& answer, Dropped& dropped) {
  const bool keep = r.has(uapi::wnowait);
  answer.pid = child.number();
  answer.uid = uid_of(child);
  if (child.life == Life::zombie) {
    if (!r.has(uapi::wexited)) return Found::none;
    answer.status = child.exit_code;
    answer.code = exit_kind(child.exit_code);
    answer.usage = usage_at_end(child) + child.children_usage;
    if (!keep) {
      me.children_usage = me.children_usage + answer.usage;
      release_group(child, dropped);
    }
    return Found::event;
  }
  if (r.has(uapi::wuntraced) && !child.stop_reported) {
    answer.status = (child.stop_signal << 8) | 0x7f;
    answer.code = uapi::cld_stopped;
    if (!keep) child.stop_reported = true;
    return Found::event;
  }
  if (r.has(uapi::wcontinued) && !child.continue_reported) {
    answer.status = 0xffff;
    answer.code = uapi::cld_continued;
    if (!keep) child.continue_reported = true;
    return Found::event;
  }
  return Found::none;
}

Found look_for_child(Task& me, const WaitRequest& r, WaitAnswer& answer, Dropped& dropped) {
  auto t = tree.lock();
  bool any = false;
  const auto look_at_those_of = [&](Task& parent) {
    for (Child& c : parent.children) {
      Group& child = Group::of(c);
      if (!matches(child, r)) continue;
      any = true;
      if (look_at(*me.group, child, r, answer, dropped) == Found::event) return true;
    }
    return false;
  };
  if (look_at_those_of(me)) return Found::event;
  if (!r.has(uapi::wnothread))
    for (Task& other : me.group->tasks)
      if (&other != &me && look_at_those_of(other)) return Found::event;
  answer = {};
  return any ? Found::children : Found::none;
}

}  // namespace

Result<WaitAnswer> wait_for_child(Task& me, const WaitRequest& request) {
  WaitAnswer answer;
  Found found = Found::none;
  const auto look = [&] {
    Dropped dropped;
    found = look_for_child(me, request, answer, dropped);
    return found != Found::children || request.has(uapi::wnohang);
  };
  if (sched::wait_interruptible(me.group->child_changed, look) == sched::WaitResult::interrupted)
    return restart::sys;
  if (found == Found::none) return Errno::echild;
  return answer;
}

}  // namespace auk::proc
