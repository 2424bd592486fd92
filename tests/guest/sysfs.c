// sysfs: the tree of devices as files.
#include "ktap.h"

#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static char const* const MEMORY_CLASS[] = {"null", "zero", "full", "random", "urandom", "kmsg"};

/// In the working folder from now on.
static void enter_sysfs(void) {
  NEED(mkdir("sys", 0755));
  NEED(mount("none", "sys", "sysfs", 0, NULL));
  NEED(chdir("sys"));
}

static char text[8192];
static char const* load(char const* path) {
  text[0] = 0;
  int const file = open(path, O_RDONLY);
  if (file < 0) return strerrorname_np(errno);
  ssize_t n, all = 0;
  while ((n = read(file, text + all, sizeof text - 1 - (size_t)all)) > 0) all += n;
  if (n < 0)
    snprintf(text, sizeof text, "%s", strerrorname_np(errno));
  else
    text[all] = 0;
  close(file);
  return text;
}
#define SAYS(path, value) OK(strcmp(load(path), value) == 0 || (fprintf(stderr, "%s", text), 0))

static char const* target(char const* path) {
  ssize_t const n = readlink(path, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = 0;
  return text;
}

static unsigned mode_of(char const* path) {
  struct stat s;
  return lstat(path, &s) == 0 ? s.st_mode : 0;
}

static int entries(char const* path, unsigned type) {
  DIR* const d = opendir(path);
  if (!d) return -1;
  int n = 0;
  for (struct dirent* e; (e = readdir(d));)
    if (e->d_name[0] != '.' && e->d_type == type) ++n;
  closedir(d);
  return n;
}

TEST(mount_and_root) {
  struct statfs fs;
  struct stat s;
  enter_sysfs();
  WORKS(statfs(".", &fs));
  IS(fs.f_type, 0x62656572);
  IS(fs.f_bsize, 4096);
  IS(fs.f_blocks, 0);
  IS(fs.f_namelen, 255);
  WORKS(stat(".", &s));
  IS(s.st_mode, S_IFDIR | 0555);
  IS(s.st_ino, 1);
  IS(s.st_size, 0);
  // Every directory counts its own.
  IS(s.st_nlink, 2 + entries(".", DT_DIR));
  WORKS(stat("devices/virtual/mem", &s));
  IS(s.st_mode, S_IFDIR | 0755);
  IS(s.st_nlink, 2 + entries("devices/virtual/mem", DT_DIR));
  char const* const places[] = {"block",    "bus", "class",  "dev",   "devices",
                                "firmware", "fs",  "kernel", "module"};
  for (size_t i = 0; i < sizeof places / sizeof *places; ++i)
    IS(mode_of(places[i]), S_IFDIR | 0755);
  // One tree, however often it is mounted.
  struct stat first, second;
  NEED(stat("kernel/fscaps", &first));
  NEED(mkdir("/tmp/second", 0755));
  WORKS(mount("again", "/tmp/second", "sysfs", 0, NULL));
  WORKS(stat("/tmp/second/kernel/fscaps", &second));
  IS(first.st_ino, second.st_ino);
  IS(first.st_dev, second.st_dev);
  NEED(umount("/tmp/second"));
  NEED(rmdir("/tmp/second"));
}

TEST(devices_of_memory) {
  enter_sysfs();
  for (size_t i = 0; i < sizeof MEMORY_CLASS / sizeof *MEMORY_CLASS; ++i) {
    char path[100], want[100];
    struct stat node;
    snprintf(path, sizeof path, "/dev/%s", MEMORY_CLASS[i]);
    NEED(stat(path, &node));
    snprintf(path, sizeof path, "class/mem/%s", MEMORY_CLASS[i]);
    snprintf(want, sizeof want, "../../devices/virtual/mem/%s", MEMORY_CLASS[i]);
    OK(strcmp(target(path), want) == 0);
    snprintf(path, sizeof path, "class/mem/%s/dev", MEMORY_CLASS[i]);
    snprintf(want, sizeof want, "%u:%u\n", major(node.st_rdev), minor(node.st_rdev));
    OK(strcmp(load(path), want) == 0);
    snprintf(path, sizeof path, "class/mem/%s/uevent", MEMORY_CLASS[i]);
    snprintf(want, sizeof want, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVMODE=0%o\n",
             major(node.st_rdev), minor(node.st_rdev), MEMORY_CLASS[i], node.st_mode & 0777);
    OK(strcmp(load(path), want) == 0);
    snprintf(path, sizeof path, "dev/char/%u:%u", major(node.st_rdev), minor(node.st_rdev));
    snprintf(want, sizeof want, "../../devices/virtual/mem/%s", MEMORY_CLASS[i]);
    OK(strcmp(target(path), want) == 0);
  }
  OK(strcmp(target("class/mem/null/subsystem"), "../../../../class/mem") == 0);
  OK(strcmp(target("class/tty/console"), "../../devices/virtual/tty/console") == 0);
  SAYS("class/tty/console/dev", "5:1\n");
  SAYS("class/tty/console/uevent", "MAJOR=5\nMINOR=1\nDEVNAME=console\n");
  SAYS("class/tty/console/active", "ttyS0\n");
  SAYS("class/tty/ptmx/uevent", "MAJOR=5\nMINOR=2\nDEVNAME=ptmx\nDEVMODE=0666\n");
  SAYS("class/tty/tty/dev", "5:0\n");
  SAYS("class/tty/ttyS0/dev", "4:64\n");
  SAYS("class/tty/ttyS0/uevent", "MAJOR=4\nMINOR=64\nDEVNAME=ttyS0\n");
  SAYS("class/tty/ttyS0/line", "0\n");
  SAYS("class/tty/ttyS0/port", "0x3F8\n");
  OK(atoi(load("class/tty/ttyS0/irq")) > 0);
  SAYS("class/tty/ttyS0/type", "4\n");
  SAYS("class/tty/ttyS0/uartclk", "1843200\n");
  SAYS("class/tty/ttyS0/console", "Y\n");
  SAYS("dev/char/4:64/dev", "4:64\n");
  OK(strncmp(target("class/tty/ttyS0"), "../../devices/", 14) == 0);
  WORKS(access("class/tty/ttyS0/device/tty/ttyS0/dev", F_OK));
}

TEST(kinds_of_files) {
  struct stat s;
  enter_sysfs();
  WORKS(lstat("kernel/uevent_seqnum", &s));
  IS(s.st_mode, S_IFREG | 0444);
  IS(s.st_size, 4096);
  IS(s.st_blocks, 0);
  IS(s.st_nlink, 1);
  WORKS(lstat("class/mem/null", &s));
  IS(s.st_mode, S_IFLNK | 0777);
  IS(s.st_size, 0);
  IS(mode_of("devices/virtual/mem/null/uevent"), S_IFREG | 0644);
  IS(mode_of("bus/cpu/uevent"), S_IFREG | 0200);
  // What it cannot do it does not even for root.
  FAILS(open("kernel/uevent_seqnum", O_WRONLY), EACCES);
  FAILS(open("kernel/uevent_seqnum", O_RDWR), EACCES);
  FAILS(open("bus/cpu/uevent", O_RDONLY), EACCES);
  WORKS(open("bus/cpu/uevent", O_WRONLY));
  FAILS(open("kernel/uevent_seqnum", O_RDONLY | O_DIRECTORY), ENOTDIR);
  FAILS(open("kernel/absent", O_RDONLY), ENOENT);
  FAILS(open("kernel/uevent_seqnum/below", O_RDONLY), ENOTDIR);
  FAILS(open("kernel", O_WRONLY), EISDIR);
  int const file = (int)NEED(open("kernel/fscaps", O_RDONLY));
  OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED && errno == ENODEV);
  FAILS(ioctl(file, TCGETS, text), ENOTTY);
  FAILS(write(file, "1", 1), EBADF);
}

TEST(reading) {
  enter_sysfs();
  int const file = (int)NEED(open("class/mem/null/dev", O_RDONLY));
  IS(read(file, text, 100), 4);
  IS(read(file, text, 100), 0);
  IS(lseek(file, 0, SEEK_SET), 0);
  IS(read(file, text, 2), 2);
  IS(memcmp(text, "1:", 2), 0);
  IS(lseek(file, 0, SEEK_CUR), 2);
  IS(read(file, text, 100), 2);
  IS(memcmp(text, "3\n", 2), 0);
  IS(pread(file, text, 1, 2), 1);
  IS(text[0], '3');
  IS(pread(file, text, 100, 4), 0);
  IS(pread(file, text, 100, 5000), 0);
  IS(lseek(file, 4, SEEK_SET), 4);
  IS(read(file, text, 100), 0);
  IS(lseek(file, -1, SEEK_CUR), 3);
  IS(read(file, text, 100), 1);
  FAILS(lseek(file, -1, SEEK_SET), EINVAL);
  // The end is where stat(2) says that it is.
  IS(lseek(file, -4093, SEEK_END), 3);
  IS(read(file, text, 100), 1);
  IS(lseek(file, 0, SEEK_END), 4096);
  IS(read(file, text, 100), 0);
  IS(lseek(file, 0, SEEK_SET), 0);
  FAILS(read(file, BAD_POINTER, 4), EFAULT);
  IS(read(file, text, 100), 4);
}

TEST(events) {
  enter_sysfs();
  int const file = (int)NEED(open("class/mem/null/uevent", O_RDWR));
  FAILS(write(file, "nonsense", 8), EINVAL);
  IS(write(file, "", 0), 0);
  long const before = atol(load("kernel/uevent_seqnum"));
  IS(write(file, "change", 6), 6);
  IS(write(file, "add\n", 4), 4);
  OK(atol(load("kernel/uevent_seqnum")) >= before + 2);
  FAILS(write(file, BAD_POINTER, 4), EFAULT);
  // As a shell does it.
  int const shell = (int)NEED(open("class/mem/null/uevent", O_WRONLY | O_CREAT | O_TRUNC, 0666));
  IS(write(shell, "change\n", 7), 7);
  WORKS(ftruncate(shell, 0));
}

TEST(polling) {
  enter_sysfs();
  int const file = (int)NEED(open("kernel/fscaps", O_RDONLY));
  struct pollfd p = {.fd = file, .events = POLLIN | POLLOUT | POLLPRI};
  NEED(read(file, text, 10));
  IS(poll(&p, 1, 0), 1);
  IS(p.revents & (POLLIN | POLLOUT), POLLIN | POLLOUT);
  int const queue = (int)NEED(epoll_create1(0));
  struct epoll_event e = {.events = EPOLLIN};
  WORKS(epoll_ctl(queue, EPOLL_CTL_ADD, file, &e));
  IS(epoll_wait(queue, &e, 1, 0), 1);
}

TEST(nothing_can_be_made) {
  enter_sysfs();
  FAILS(open("kernel/new", O_RDWR | O_CREAT, 0644), EACCES);
  FAILS(mkdir("kernel/new", 0755), EPERM);
  FAILS(symlink("somewhere", "kernel/new"), EPERM);
  FAILS(mknod("kernel/new", S_IFIFO | 0644, 0), EPERM);
  FAILS(link("kernel/fscaps", "kernel/new"), EPERM);
  FAILS(unlink("kernel/fscaps"), EPERM);
  FAILS(rmdir("devices/virtual/mem"), EPERM);
  FAILS(rename("kernel/fscaps", "kernel/new"), EPERM);
  FAILS(mkdir("kernel/fscaps", 0755), EEXIST);
  FAILS(unlink("kernel/absent"), ENOENT);
  FAILS(unlink("kernel"), EISDIR);
  FAILS(rmdir("kernel/fscaps"), ENOTDIR);
}

TEST(rights_stay) {
  struct stat s;
  enter_sysfs();
  WORKS(chmod("kernel/fscaps", 0400));
  WORKS(chown("kernel/fscaps", NOBODY, 7));
  // Nobody has it open or stands there any more.
  NEED(chdir("/"));
  char path[200];
  snprintf(path, sizeof path, "/tmp/rights_stay.%d/sys/kernel/fscaps", getpid());
  WORKS(stat(path, &s));
  IS(s.st_mode, S_IFREG | 0400);
  IS(s.st_uid, NOBODY);
  IS(s.st_gid, 7);
  FAILS(open(path, O_WRONLY), EACCES);
  WORKS(chmod(path, 0444));
  WORKS(chown(path, 0, 0));
  WORKS(stat(path, &s));
  IS(s.st_mode, S_IFREG | 0444);
  IS(s.st_uid, 0);
  snprintf(path, sizeof path, "/tmp/rights_stay.%d/sys/class/mem/full", getpid());
  WORKS(lchown(path, NOBODY, 7));
  WORKS(lstat(path, &s));
  IS(s.st_uid, NOBODY);
  IS(s.st_mode, S_IFLNK | 0777);
  WORKS(stat(path, &s));
  IS(s.st_uid, 0);
  WORKS(lchown(path, 0, 0));
  snprintf(path, sizeof path, "/tmp/rights_stay.%d/sys/class/tty", getpid());
  WORKS(chmod(path, 0700));
  WORKS(stat(path, &s));
  IS(s.st_mode, S_IFDIR | 0700);
  IS(IN_CHILD(become_nobody(); _exit(chdir(path) < 0 && errno == EACCES ? 0 : 1)), 0);
  WORKS(chmod(path, 0755));
  IS(IN_CHILD(become_nobody(); _exit(chdir(path) == 0 ? 0 : 1)), 0);
  IS(IN_CHILD(become_nobody(); _exit(chmod(path, 0700) < 0 && errno == EPERM ? 0 : 1)), 0);
}

TEST(listing) {
  enter_sysfs();
  DIR* const d = opendir("class/mem/null");
  OK(d);
  int files = 0, links = 0, places = 0;
  long places_of[3] = {0, 0, 0};
  for (struct dirent* e; (e = readdir(d));) {
    struct stat s;
    NEED(fstatat(dirfd(d), e->d_name, &s, AT_SYMLINK_NOFOLLOW));
    if (strcmp(e->d_name, "..") != 0 && s.st_ino != e->d_ino) OK(!"number of the entry");
    if ((s.st_mode >> 12) != e->d_type) OK(!"type of the entry");
    if (!strcmp(e->d_name, "dev") || !strcmp(e->d_name, "uevent")) ++files;
    if (!strcmp(e->d_name, "subsystem")) ++links;
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) ++places;
    if (!strcmp(e->d_name, "dev")) places_of[0] = telldir(d);
  }
  IS(files, 2);
  IS(links, 1);
  IS(places, 2);
  // From the middle on: what stood behind "dev" is there, "dev" is not.
  seekdir(d, places_of[0]);
  bool again = false;
  for (struct dirent* e; (e = readdir(d));) again |= strcmp(e->d_name, "dev") == 0;
  OK(!again);
  rewinddir(d);
  int all = 0;
  while (readdir(d)) ++all;
  OK(all >= 5);
}

TEST(walking) {
  enter_sysfs();
  SAYS("class/mem/null/subsystem/zero/dev", "1:5\n");
  SAYS("devices/virtual/mem/null/../zero/dev", "1:5\n");
  NEED(chdir("class/mem/null"));
  OK(strstr(getcwd(text, sizeof text), "/sys/devices/virtual/mem/null"));
  SAYS("dev", "1:3\n");
  SAYS("../full/dev", "1:7\n");
  OK(realpath("subsystem", text) && strstr(text, "/sys/class/mem"));
}

TEST(processors) {
  enter_sysfs();
  cpu_set_t set;
  NEED(sched_getaffinity(0, sizeof set, &set));
  int const count = CPU_COUNT(&set);
  char list[40];
  snprintf(list, sizeof list, count == 1 ? "0\n" : "0-%d\n", count - 1);
  SAYS("devices/system/cpu/online", list);
  SAYS("devices/system/cpu/possible", list);
  SAYS("devices/system/cpu/present", list);
  SAYS("devices/system/cpu/offline", "\n");
  SAYS("devices/system/cpu/isolated", "\n");
  OK(atoi(load("devices/system/cpu/kernel_max")) >= count - 1);
  SAYS("devices/system/cpu/uevent", "");
  OK(strcmp(target("bus/cpu/devices/cpu0"), "../../../devices/system/cpu/cpu0") == 0);
  OK(strcmp(target("devices/system/cpu/cpu0/subsystem"), "../../../../bus/cpu") == 0);
  char const* const files[] = {
      "physical_package_id",  "core_id",   "die_id",         "thread_siblings",
      "thread_siblings_list", "core_cpus", "core_cpus_list", "core_siblings",
      "core_siblings_list",   "die_cpus",  "die_cpus_list",  "package_cpus",
      "package_cpus_list"};
  for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
    char path[100];
    snprintf(path, sizeof path, "devices/system/cpu/cpu0/topology/%s", files[i]);
    IS(mode_of(path), S_IFREG | 0444);
    OK(strchr(load(path), '\n'));
  }
  SAYS("devices/system/cpu/cpu0/topology/thread_siblings_list", "0\n");
  SAYS("devices/system/cpu/cpu0/topology/thread_siblings", "1\n");
  SAYS("devices/system/cpu/cpu0/topology/package_cpus_list", list);
  SAYS("devices/system/cpu/cpu0/topology/physical_package_id", "0\n");
  SAYS("devices/system/cpu/cpu0/topology/core_id", "0\n");
  snprintf(list, sizeof list, "%d\n", count - 1);
  char path[100];
  snprintf(path, sizeof path, "devices/system/cpu/cpu%d/topology/core_id", count - 1);
  OK(strcmp(load(path), list) == 0);
}

TEST(caches) {
  enter_sysfs();
  char path[200], said[4096], alone[40], all[40];
  cpu_set_t set;
  NEED(sched_getaffinity(0, sizeof set, &set));
  int const count = CPU_COUNT(&set);
  snprintf(all, sizeof all, count == 1 ? "0\n" : "0-%d\n", count - 1);
  for (int i = 0; i < 8; ++i) {
    int const cpu = i / 4 * (count - 1), index = i % 4;
    char const* const files[] = {"level",
                                 "type",
                                 "size",
                                 "coherency_line_size",
                                 "physical_line_partition",
                                 "ways_of_associativity",
                                 "number_of_sets"};
    for (size_t k = 0; k < sizeof files / sizeof *files; ++k) {
      snprintf(path, sizeof path, "devices/system/cpu/cpu%d/cache/index%d/%s", cpu, index,
               files[k]);
      load(path);
      text[strcspn(text, "\n")] = 0;
      // The name of the check says it all: Linux must say the same.
      snprintf(said, sizeof said, "%s index%d/%s is %.100s", i / 4 ? "last" : "first", index,
               files[k], text);
      ktap_check(true, said, "");
    }
    snprintf(alone, sizeof alone, "%d\n", cpu);
    snprintf(path, sizeof path, "devices/system/cpu/cpu%d/cache/index%d/id", cpu, index);
    SAYS(path, alone);
    // The last level is all CPUs' together.
    snprintf(path, sizeof path, "devices/system/cpu/cpu%d/cache/index%d/shared_cpu_list", cpu,
             index);
    SAYS(path, index == 3 ? all : alone);
    snprintf(path, sizeof path, "devices/system/cpu/cpu%d/cache/index%d/shared_cpu_map", cpu,
             index);
    IS(strtoul(load(path), NULL, 16), index == 3 ? (1ul << count) - 1 : 1ul << cpu);
  }
  snprintf(path, sizeof path, "devices/system/cpu/cpu0/cache/index4/level");
  OK(access(path, F_OK) < 0 && errno == ENOENT);
}

TEST(nodes) {
  enter_sysfs();
  SAYS("devices/system/node/online", "0\n");
  SAYS("devices/system/node/possible", "0\n");
  SAYS("devices/system/node/has_cpu", "0\n");
  SAYS("devices/system/node/has_memory", "0\n");
  SAYS("devices/system/node/has_normal_memory", "0\n");
  char cpus[100];
  snprintf(cpus, sizeof cpus, "%s", load("devices/system/cpu/online"));
  SAYS("devices/system/node/node0/cpulist", cpus);
  SAYS("devices/system/node/node0/distance", "10\n");
  OK(strcmp(target("devices/system/node/node0/cpu0"), "../../cpu/cpu0") == 0);
  OK(strcmp(target("devices/system/cpu/cpu0/node0"), "../../node/node0") == 0);
  OK(strstr(load("devices/system/node/node0/meminfo"), "Node 0 MemTotal:       "));
  long total = 0, machine = 0;
  IS(sscanf(text, "Node 0 MemTotal: %ld kB", &total), 1);
  IS(sscanf(load("/proc/meminfo"), "MemTotal: %ld kB", &machine), 1);
  IS(total, machine);
}

TEST(kernel) {
  enter_sysfs();
  SAYS("kernel/cpu_byteorder", "little\n");
  SAYS("kernel/address_bits", "64\n");
  SAYS("kernel/fscaps", "1\n");
  SAYS("kernel/oops_count", "0\n");
  SAYS("kernel/warn_count", "0\n");
  OK(atol(load("kernel/uevent_seqnum")) > 0);
  struct stat s;
  int const file = (int)NEED(open("kernel/notes", O_RDONLY));
  NEED(fstat(file, &s));
  OK(s.st_size > 20 && s.st_size < 4096);
  IS(read(file, text, sizeof text), s.st_size);
  OK(memmem(text, (size_t)s.st_size, "GNU", 4));
  SAYS("devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
  OK(strstr(load("devices/system/clocksource/clocksource0/available_clocksource"), "tsc "));
}
