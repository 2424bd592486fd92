// The one written order of locks (decision D3): a chain of positions, outermost first.
//
// A lock of a position may only be taken while all held locks stand earlier in the chain. The
// compiler checks it inside a function, the run-time validator across calls. First come the
// positions of locks that may sleep, then those of spinning locks: "a sleeping lock under a spin
// lock" is an inversion of the order and needs no rule of its own. `rcu` hangs behind the last
// sleeping position: nothing that sleeps can be taken inside an RCU read section.
//
// Adding a position: one line here, with the reason next to it when the place is not obvious.
#pragma once
#include "base/annotations.hpp"
#include "base/types.hpp"

namespace auk::core::level {

#define AUK_LOCK_POSITION(name, before)                                                            \
  struct name {                                                                                    \
    struct AUK_CAPABILITY(#name) Position {};                                                      \
    static inline Position v AUK_ACQUIRED_AFTER(before::v);                                        \
    static constexpr u32 index = before::index + 1;                                                \
    static constexpr const char* label = #name;                                                    \
  }

/// One that a file system which stands on others takes at another position, further out: so its
/// operations may call those of the file systems below.
#define AUK_STACKED_POSITION(name, before)                                                         \
  struct name {                                                                                    \
    struct AUK_CAPABILITY(#name) Position {};                                                      \
    static inline Position v AUK_ACQUIRED_AFTER(before::v);                                        \
    static constexpr u32 index = before::index + 1;                                                \
    static constexpr const char* label = #name;                                                    \
    using outer = outer_##name;                                                                    \
  }

struct outermost {
  struct AUK_CAPABILITY("outermost") Position {};
  static inline Position v;
  static constexpr u32 index = 0;
};

// Sleeping.
AUK_LOCK_POSITION(exec, outermost);
AUK_LOCK_POSITION(cgroup, exec);
// Reports of the kernel are written with their file locked, and look everywhere.
AUK_LOCK_POSITION(report, cgroup);
// A socket that gets a name, which may be a file's.
AUK_LOCK_POSITION(socket_naming, report);
// A file system that is being set up may be on others.
AUK_LOCK_POSITION(fs_setup, socket_naming);
AUK_LOCK_POSITION(super_setup, fs_setup);
// The file that ends of processes are written to. Who sets a file system up may have to end that.
AUK_LOCK_POSITION(accounting, super_setup);
AUK_LOCK_POSITION(mount_ns, accounting);
AUK_LOCK_POSITION(file_position, mount_ns);
AUK_LOCK_POSITION(outer_rename, file_position);
AUK_LOCK_POSITION(outer_inode, outer_rename);
AUK_LOCK_POSITION(outer_inode_twin, outer_inode);
AUK_LOCK_POSITION(outer_inode_victim, outer_inode_twin);
// A file comes up into the layer that can be written.
AUK_LOCK_POSITION(copying_up, outer_inode_victim);
AUK_LOCK_POSITION(overlay_list, copying_up);
AUK_STACKED_POSITION(rename, overlay_list);
AUK_STACKED_POSITION(inode, rename);
AUK_STACKED_POSITION(inode_twin, inode);
// What a rename replaces.
AUK_STACKED_POSITION(inode_victim, inode_twin);
AUK_LOCK_POSITION(sb_freeze, inode_victim);
AUK_LOCK_POSITION(fs_journal, sb_freeze);
AUK_LOCK_POSITION(fs_private, fs_journal);
AUK_LOCK_POSITION(socket, fs_private);
// Open files that sockets carry: who looks for circles of them.
AUK_LOCK_POSITION(unix_flight, socket);
// An answer of netlink in parts, then the network's devices, then who is to hear of a change.
AUK_LOCK_POSITION(netlink_dump, unix_flight);
AUK_LOCK_POSITION(rtnl, netlink_dump);
AUK_LOCK_POSITION(netlink_ports, rtnl);
AUK_LOCK_POSITION(pipe, netlink_ports);
AUK_LOCK_POSITION(tty, pipe);
AUK_LOCK_POSITION(timer_list, tty);
AUK_LOCK_POSITION(timer_file, timer_list);
// Rules that are being collected for a sandbox.
AUK_LOCK_POSITION(ruleset, timer_file);
// The graph of epoll files in epoll files, then one of them, then those inside it, and so on.
AUK_LOCK_POSITION(epoll_graph, ruleset);
AUK_LOCK_POSITION(epoll, epoll_graph);
AUK_LOCK_POSITION(epoll_inner_1, epoll);
AUK_LOCK_POSITION(epoll_inner_2, epoll_inner_1);
AUK_LOCK_POSITION(epoll_inner_3, epoll_inner_2);
AUK_LOCK_POSITION(epoll_inner_4, epoll_inner_3);
AUK_LOCK_POSITION(epoll_inner_5, epoll_inner_4);
// Behind everything that copies to and from user memory: the copy may fault.
AUK_LOCK_POSITION(space, epoll_inner_5);
// Faults in one area: a change that holds the space waits for them.
AUK_LOCK_POSITION(area, space);
AUK_LOCK_POSITION(invalidate, area);
AUK_LOCK_POSITION(folio, invalidate);
AUK_LOCK_POSITION(block, folio);
AUK_LOCK_POSITION(flush, block);
// Locks on files: a change may touch as many ranges as programs have made.
AUK_LOCK_POSITION(file_lock, flush);
// Whoever needs memory may hold any sleeping lock.
AUK_LOCK_POSITION(oom, file_lock);
AUK_LOCK_POSITION(last_sleeping, oom);

struct rcu {
  struct AUK_CAPABILITY("rcu") Position {};
  static inline Position v AUK_ACQUIRED_AFTER(last_sleeping::v);
};

// Spinning. Handlers of an interrupt run under its descriptor's lock and may take any lock below.
AUK_LOCK_POSITION(irq_table, last_sleeping);
AUK_LOCK_POSITION(irq_desc, irq_table);
AUK_LOCK_POSITION(proc_tree, irq_desc);
AUK_LOCK_POSITION(group, proc_tree);
AUK_LOCK_POSITION(handlers, group);
// Timers of CPU time, and what was shown of it: also in interrupts.
AUK_LOCK_POSITION(cpu_timers, handlers);
AUK_LOCK_POSITION(cpu_shown, cpu_timers);
AUK_LOCK_POSITION(cred, cpu_shown);
AUK_LOCK_POSITION(futex, cred);
AUK_LOCK_POSITION(futex_twin, futex);
// What a thread owns and waits for of the locks that hand priorities on.
AUK_LOCK_POSITION(futex_pi, futex_twin);
AUK_LOCK_POSITION(pid, futex_pi);
AUK_LOCK_POSITION(files, pid);
AUK_LOCK_POSITION(fs_contexts, files);
AUK_LOCK_POSITION(fs_context, fs_contexts);
AUK_LOCK_POSITION(mount_table, fs_context);
AUK_LOCK_POSITION(pins, mount_table);
// Dentries that are kept for later: all lists, then one of them.
AUK_LOCK_POSITION(kept_lists, pins);
AUK_LOCK_POSITION(kept_dentries, kept_lists);
// Files that rules of sandboxes name.
AUK_LOCK_POSITION(anchors, kept_dentries);
AUK_LOCK_POSITION(dentry, anchors);
// Names: what readers may not see in between, then the writers of one chain.
AUK_LOCK_POSITION(name_change, dentry);
AUK_LOCK_POSITION(name_chain, name_change);
// The entries of an object that sysfs shows.
AUK_LOCK_POSITION(object, name_chain);
AUK_LOCK_POSITION(mapping_tree, object);
AUK_LOCK_POSITION(page_table, mapping_tree);
AUK_LOCK_POSITION(unix_names, page_table);
AUK_LOCK_POSITION(socket_queue, unix_names);
// Of a connection that nobody has accepted yet.
AUK_LOCK_POSITION(socket_queue_twin, socket_queue);
AUK_LOCK_POSITION(unix_flow, socket_queue_twin);
// What is known of a network device.
AUK_LOCK_POSITION(net_device, unix_flow);
// Input of a terminal: echoes through the port below.
AUK_LOCK_POSITION(tty_line, net_device);
AUK_LOCK_POSITION(driver, tty_line);
AUK_LOCK_POSITION(workqueue, driver);
AUK_LOCK_POSITION(work_pool, workqueue);
AUK_LOCK_POSITION(completion, work_pool);
// What a file with events has to say; wakes who waits for it.
AUK_LOCK_POSITION(event, completion);
AUK_LOCK_POSITION(fault_watches, event);
AUK_LOCK_POSITION(file_links, fault_watches);
AUK_LOCK_POSITION(lock_graph, file_links);
AUK_LOCK_POSITION(lock_register, lock_graph);
AUK_LOCK_POSITION(watches, lock_register);
AUK_LOCK_POSITION(inotify, watches);
AUK_LOCK_POSITION(user, inotify);
AUK_LOCK_POSITION(waitqueue, user);
AUK_LOCK_POSITION(runqueue, waitqueue);
AUK_LOCK_POSITION(rcu_batch, runqueue);
// Changes of the clock start a timer.
AUK_LOCK_POSITION(wall_clock, rcu_batch);
AUK_LOCK_POSITION(timer, wall_clock);
// Kernel address space: taken while allocating objects, before the pages behind them.
AUK_LOCK_POSITION(kernel_map, timer);
AUK_LOCK_POSITION(borrowed_page, kernel_map);
AUK_LOCK_POSITION(slab, borrowed_page);
AUK_LOCK_POSITION(mem_zone, slab);
AUK_LOCK_POSITION(cross_call, mem_zone);
// Two-step register windows of interrupt controllers: reached from every context.
AUK_LOCK_POSITION(irq_chip, cross_call);
AUK_LOCK_POSITION(innermost, irq_chip);

#undef AUK_LOCK_POSITION
#undef AUK_STACKED_POSITION

template <class Level> inline constexpr bool spins = Level::index > last_sleeping::index;

}  // namespace auk::core::level
