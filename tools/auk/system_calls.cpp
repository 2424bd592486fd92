#include "system_calls.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace auk {

namespace {

constexpr auto table_folder = "kernel/syscall";
constexpr std::string_view row_mark = "SYSCALL(";
constexpr auto numbers = "build/uapi/include/generated/uapi/syscall_nr.hpp";

// What a call that is there does not know yet. One row a family: what, and the answer.
struct Family {
  std::string_view what, answer;
};
constexpr Family families[] = {
    {"sockets of other families than AF_UNIX and AF_NETLINK (AF_INET, AF_INET6, AF_PACKET, "
     "AF_VSOCK)",
     "`socket` fails with EAFNOSUPPORT, as Linux without CONFIG_INET, CONFIG_PACKET and so on"},
    {"protocols of AF_NETLINK other than NETLINK_ROUTE and NETLINK_USERSOCK",
     "`socket` fails with EPROTONOSUPPORT"},
    {"requests of NETLINK_ROUTE beyond links: addresses, routes, rules, neighbours, queueing, "
     "statistics, namespaces; links that are made, removed or renamed",
     "EOPNOTSUPP, or a list of nothing, as Linux without CONFIG_INET and so on"},
    {"System V IPC and POSIX message queues", "ENOSYS, as without CONFIG_SYSVIPC and "
                                              "CONFIG_POSIX_MQUEUE"},
    {"32-bit programs and `int 0x80`", "ENOEXEC; the interrupt is a fault, as without "
                                       "CONFIG_IA32_EMULATION"},
    {"namespaces other than those of mounts and processes: clone and unshare flags CLONE_NEW*; "
     "mounts with ids of their own (MOUNT_ATTR_IDMAP)",
     "EINVAL, as without CONFIG_USER_NS and so on"},
    {"protection keys and shadow stacks",
     "ENOSPC, EINVAL and EOPNOTSUPP, as on a CPU without them"},
    {"segments of 16 bits (modify_ldt), and SGDT, SIDT, SLDT, STR and SMSW where the CPU keeps "
     "them "
     "from programs",
     "EINVAL, as without CONFIG_X86_16BIT; a fault"},
    {"I/O ports for programs (iopl, ioperm)", "EPERM, as a kernel that is locked down"},
    {"access control lists (system.posix_acl_*)", "EOPNOTSUPP, as without CONFIG_TMPFS_POSIX_ACL"},
    {"block devices other than those of persistent memory, and file systems on them",
     "`mount` knows erofs: ENODEV for others"},
    {"ioctl sets beyond terminals, network devices (SIOCGIF* and SIOCSIF*), FIONREAD, FIOCLEX, "
     "FIONCLEX and FIONBIO",
     "ENOTTY; SIOCETHTOOL is EOPNOTSUPP"},
};

// Numbers of calls that Linux has no longer, or never had, on this machine: it answers as we do.
constexpr std::string_view gone[] = {
    "uselib",         "_sysctl",         "create_module",   "get_kernel_syms", "query_module",
    "nfsservctl",     "getpmsg",         "putpmsg",         "afs_syscall",     "tuxcall",
    "security",       "set_thread_area", "get_thread_area", "epoll_ctl_old",   "epoll_wait_old",
    "lookup_dcookie", "vserver",
};

SystemCallTable load_table(fs::path const& tree, fs::path const& file) {
  SystemCallTable table{.path = file.lexically_relative(tree).string(), .rows = {}};
  int line = 0;
  auto const text = read_file(file);
  for (auto const whole : lines_of(text)) {
    ++line;
    auto row = trimmed(whole);
    if (!row.starts_with(row_mark) || !row.ends_with(");")) continue;
    row.remove_prefix(row_mark.size());
    row.remove_suffix(2);
    table.rows.push_back({std::string(row), line});
  }
  return table;
}

// Linux's calls of the machine by number.
std::map<int, std::string> linux_calls(std::string_view header) {
  std::map<int, std::string> calls;
  for (auto const whole : lines_of(header)) {
    constexpr std::string_view mark = "inline constexpr unsigned ";
    auto line = trimmed(whole);
    if (!line.starts_with(mark)) continue;
    line.remove_prefix(mark.size());
    auto const space = line.find(" = ");
    if (space == line.npos || line.starts_with("syscall_count")) continue;
    calls[std::stoi(std::string(line.substr(space + 3)))] = line.substr(0, space);
  }
  return calls;
}

}  // namespace

std::vector<SystemCallTable> system_call_tables(fs::path const& tree) {
  std::vector<SystemCallTable> tables;
  for (auto const& file : files_below(tree / table_folder))
    if (file.filename() == "table.cpp") tables.push_back(load_table(tree, file));
  return tables;
}

std::string system_call_name(int number) {
  auto const header = try_read_file(numbers);
  auto const calls = header ? linux_calls(*header) : std::map<int, std::string>();
  auto const found = calls.find(number);
  return found == calls.end() ? std::to_string(number) : found->second;
}

std::string absent_text() {
  auto const header = try_read_file(numbers);
  if (!header) return {};
  std::set<std::string, std::less<>> there;
  for (auto const& table : system_call_tables("."))
    for (auto const& row : table.rows) there.insert(row.name);
  std::string list;
  unsigned absent = 0;
  auto calls = linux_calls(*header);
  std::erase_if(calls, [](auto const& call) { return std::ranges::contains(gone, call.second); });
  for (auto const& [number, name] : calls)
    if (!there.contains(name)) {
      list += std::format("| {} | {} |\n", number, name);
      ++absent;
    }
  auto text = std::format("# What is absent\n\n"
                          "Made from the table of system calls by `./auk docs`. Of {} calls of "
                          "Linux 6.12 on x86-64 {} are there. The others answer ENOSYS, and the "
                          "log names each once with its arguments.\n\n"
                          "## Families\n\n| what | how it answers |\n|---|---|\n",
                          calls.size(), calls.size() - absent);
  for (auto const& [what, answer] : families) text += std::format("| {} | {} |\n", what, answer);
  return text + "\n## System calls\n\n| number | call |\n|---:|---|\n" + list;
}

}  // namespace auk
