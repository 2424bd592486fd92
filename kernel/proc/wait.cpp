// Waiting for children: wait4(2), waitid(2).
#include "generated/uapi/wait.hpp"
#include "proc/exit.hpp"
#include "proc/family.hpp"
#include "proc/usage.hpp"

namespace auk::proc {
namespace {

bool matches(const Task& me, const Group& child, const WaitRequest& r) {
  const ident::PidNamespace& space = me.pid_space();
  const bool is_clone = child.exit_signal != static_cast<u32>(uapi::sigchld);
  if (!r.has(uapi::wall) && is_clone != r.has(uapi::wclone)) return false;
  switch (r.which) {
    case WaitRequest::Which::any: return true;
    case WaitRequest::Which::pid: return child.pid->number_in(space) == r.number;
    case WaitRequest::Which::identity: return child.pid.get() == r.identity;
    case WaitRequest::Which::process_group:
      return child.process_group && child.process_group->pid->number_in(space) == r.number;
  }
  return false;
}

enum class Found : u8 { event, children, none };

/// What a child has to say; `none` if nothing that is asked for.
Found look_at(Task& task, Group& child, const WaitRequest& r, WaitAnswer& answer,
              Dropped& dropped) {
  Group& me = *task.group;
  const bool keep = r.has(uapi::wnowait);
  answer.pid = child.pid->number_in(task.pid_space());
  answer.uid = uid_of(child);
  if (child.life == Life::zombie) {
    if (!r.has(uapi::wexited)) return Found::none;
    answer.status = child.exit_code;
    answer.code = exit_kind(child.exit_code);
    answer.usage = usage_at_end(child) + child.children_usage;
    if (!keep) {
      me.children_usage = me.children_usage + answer.usage;
      me.dead_io += child.dead_io;
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
      if (!matches(me, child, r)) continue;
      any = true;
      if (look_at(me, child, r, answer, dropped) == Found::event) return true;
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

bool take_ended_child(Task& me, Dropped& dropped) {
  WaitAnswer answer;
  const WaitRequest any{.options = uapi::wexited | uapi::wall};
  return look_for_child(me, any, answer, dropped) == Found::event;
}

bool has_children(Task& me) {
  auto t = tree.lock();
  return !me.children.empty();
}

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
