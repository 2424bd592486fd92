// Being told of changes in the file system: inotify.
#include "ktap.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>

static int notify;
static void start(void) { notify = (int)NEED(inotify_init1(IN_NONBLOCK)); }
static int watch(char const* path, uint32_t mask) {
  return (int)NEED(inotify_add_watch(notify, path, mask));
}

// What was told since the last time, as "wd:EVENTS[:name] ..." with letters for events.
static char told[2000];
static uint32_t cookies[2];
static char const* news(void) {
  char buffer[4096] __attribute__((aligned(8)));
  static struct {
    uint32_t bit;
    char const* name;
  } const names[] = {{IN_ACCESS, "access"},           {IN_MODIFY, "modify"},
                     {IN_ATTRIB, "attrib"},           {IN_CLOSE_WRITE, "close_write"},
                     {IN_CLOSE_NOWRITE, "close"},     {IN_OPEN, "open"},
                     {IN_MOVED_FROM, "from"},         {IN_MOVED_TO, "to"},
                     {IN_CREATE, "create"},           {IN_DELETE, "delete"},
                     {IN_DELETE_SELF, "delete_self"}, {IN_MOVE_SELF, "move_self"},
                     {IN_UNMOUNT, "unmount"},         {IN_Q_OVERFLOW, "overflow"},
                     {IN_IGNORED, "ignored"},         {IN_ISDIR, "dir"}};
  size_t used = 0;
  told[0] = 0;
  for (ssize_t size; (size = read(notify, buffer, sizeof buffer)) > 0;)
    for (char* at = buffer; at < buffer + size;) {
      struct inotify_event const* e = (struct inotify_event*)at;
      used += (size_t)snprintf(told + used, sizeof told - used, "%s%d", used ? " " : "", e->wd);
      for (int i = 0; i < 16; ++i)
        if (e->mask & names[i].bit)
          used += (size_t)snprintf(told + used, sizeof told - used, ",%s", names[i].name);
      if (e->len) used += (size_t)snprintf(told + used, sizeof told - used, ",\"%s\"", e->name);
      if (e->mask & IN_MOVED_FROM) cookies[0] = e->cookie;
      if (e->mask & IN_MOVED_TO) cookies[1] = e->cookie;
      at += sizeof *e + e->len;
    }
  return told;
}
#define NEWS(text)                                                                                 \
  ({                                                                                               \
    char const* const said_ = news();                                                              \
    ktap_check(strcmp(said_, text) == 0, "news: " text, "%s", said_);                              \
  })

TEST(creation) {
  start();
  IS(fcntl(notify, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
  IS(fcntl(notify, F_GETFD), 0);
  IS(fcntl((int)NEED(inotify_init1(IN_CLOEXEC)), F_GETFD), FD_CLOEXEC);
  IS(fcntl((int)WORKS(SYS(inotify_init)), F_GETFL) & O_NONBLOCK, 0);
  FAILS(inotify_init1(1), EINVAL);
  struct stat s;
  IS(fstat(notify, &s), 0);
  IS(s.st_mode, 0600);
  IS(lseek(notify, 0, SEEK_SET), 0);
  FAILS(write(notify, "x", 1), EBADF);
}

TEST(errors) {
  start();
  make_file("file", "x");
  FAILS(inotify_add_watch(notify, "file", 0), EINVAL);
  FAILS(inotify_add_watch(-1, "file", IN_OPEN), EBADF);
  FAILS(inotify_add_watch(0, "file", IN_OPEN), EINVAL);
  FAILS(inotify_add_watch(notify, "absent", IN_OPEN), ENOENT);
  FAILS(inotify_add_watch(notify, BAD_POINTER, IN_OPEN), EFAULT);
  FAILS(inotify_add_watch(notify, "file", IN_OPEN | IN_ONLYDIR), ENOTDIR);
  FAILS(inotify_add_watch(notify, "file", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
  IS(inotify_add_watch(notify, "file", IN_OPEN | IN_MASK_CREATE), 1);
  FAILS(inotify_add_watch(notify, "file", IN_OPEN | IN_MASK_CREATE), EEXIST);
  FAILS(inotify_rm_watch(notify, 2), EINVAL);
  FAILS(inotify_rm_watch(-1, 1), EBADF);
  FAILS(inotify_rm_watch(0, 1), EINVAL);
  FAILS(ioctl(notify, FIONREAD, BAD_POINTER), EFAULT);
  FAILS(ioctl(notify, TCGETS, NULL), ENOTTY);
  NEED(chmod("file", 0));
  become_nobody();
  FAILS(inotify_add_watch(notify, "file", IN_OPEN), EACCES);
}

TEST(reading) {
  char buffer[64];
  int waiting = 0;
  start();
  watch(".", IN_CREATE);
  FAILS(read(notify, buffer, sizeof buffer), EAGAIN);
  make_file("a", "");
  make_file("a_longer_name_16", "");
  IS(ioctl(notify, FIONREAD, &waiting), 0);
  IS(waiting, 32 + 48);
  FAILS(read(notify, buffer, 31), EINVAL);
  IS(read(notify, buffer, 64), 32);
  struct inotify_event const* e = (struct inotify_event*)buffer;
  OK(e->wd == 1 && e->mask == IN_CREATE && e->cookie == 0 && e->len == 16);
  OK(memcmp(e->name, "a\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
  struct pollfd p = {notify, POLLIN | POLLOUT | POLLRDNORM, 0};
  IS(poll(&p, 1, 0), 1);
  IS(p.revents, POLLIN | POLLRDNORM);
  IS(read(notify, buffer, 48), 48);
  IS(poll(&p, 1, 0), 0);
}

TEST(file_events) {
  char byte;
  start();
  int const wd = watch(".", IN_ALL_EVENTS);
  IS(wd, 1);
  int file = open("file", O_RDWR | O_CREAT, 0644);
  NEWS("1,create,\"file\" 1,open,\"file\"");
  NEED(write(file, "abc", 3));
  NEED(write(file, "abc", 3));
  NEWS("1,modify,\"file\"");
  NEED(pread(file, &byte, 1, 0));
  NEWS("1,access,\"file\"");
  IS(read(file, &byte, 1), 0);
  NEWS("");
  NEED(ftruncate(file, 1));
  NEWS("1,modify,\"file\"");
  NEED(fchmod(file, 0600));
  NEED(fchown(file, 1, 1));
  NEWS("1,attrib,\"file\"");
  int const twin = dup(file);
  close(file);
  NEWS("");
  close(twin);
  NEWS("1,close_write,\"file\"");
  close(open("file", O_RDONLY));
  NEWS("1,open,\"file\" 1,close,\"file\"");
  close(open("file", O_PATH));
  NEWS("");
  close(open("file", O_WRONLY | O_TRUNC));
  news();
  NEED(truncate("file", 5));
  NEWS("1,modify,\"file\"");
  NEED(utimensat(AT_FDCWD, "file", NULL, 0));
  NEWS("1,attrib,\"file\"");
  NEED(link("file", "other"));
  NEWS("1,create,\"other\"");
  NEED(symlink("file", "link"));
  NEWS("1,create,\"link\"");
  NEED(mkfifo("fifo", 0600));
  NEWS("1,create,\"fifo\"");
  NEED(unlink("other"));
  NEWS("1,delete,\"other\"");
}

TEST(own_events) {
  start();
  int const file = make_file("file", "x");
  IS(watch("file", IN_ALL_EVENTS), 1);
  NEED(write(file, "y", 1));
  NEWS("1,modify");
  NEED(chmod("file", 0600));
  NEWS("1,attrib");
  NEED(link("file", "other"));
  NEWS("1,attrib");
  NEED(rename("file", "third"));
  NEWS("1,move_self");
  NEED(unlink("other"));
  NEWS("1,attrib");
  // Not while it is open.
  NEED(unlink("third"));
  NEWS("1,attrib");
  close(file);
  NEWS("1,close_write 1,delete_self 1,ignored");
  FAILS(inotify_rm_watch(notify, 1), EINVAL);
}

TEST(removal) {
  start();
  close(make_file("file", "x"));
  NEED(mkdir("folder", 0755));
  watch(".", IN_DELETE);
  watch("file", IN_DELETE_SELF);
  watch("folder", IN_DELETE_SELF);
  NEED(unlink("file"));
  NEWS("2,delete_self 2,ignored 1,delete,\"file\"");
  NEED(rmdir("folder"));
  NEWS("3,delete_self 3,ignored 1,delete,dir,\"folder\"");
}

TEST(folders) {
  start();
  watch(".", IN_ALL_EVENTS);
  NEED(mkdir("folder", 0755));
  NEWS("1,create,dir,\"folder\"");
  NEED(chmod("folder", 0700));
  NEWS("1,attrib,dir,\"folder\"");
  watch("folder", IN_ALL_EVENTS);
  DIR* const d = opendir("folder");
  NEWS("1,open,dir,\"folder\" 2,open,dir");
  closedir(d);
  NEWS("1,close,dir,\"folder\" 2,close,dir");
  close(make_file("folder/file", ""));
  NEWS("2,create,\"file\" 2,open,\"file\" 2,close_write,\"file\"");
  NEED(unlink("folder/file"));
  NEWS("2,delete,\"file\"");
  NEED(rmdir("folder"));
  NEWS("2,delete_self 2,ignored 1,delete,dir,\"folder\"");
}

TEST(moves) {
  start();
  close(make_file("file", "x"));
  NEED(mkdir("one", 0755));
  NEED(mkdir("two", 0755));
  watch("one", IN_ALL_EVENTS);
  watch("two", IN_ALL_EVENTS);
  NEED(rename("file", "one/a"));
  NEWS("1,to,\"a\"");
  NEED(rename("one/a", "two/b"));
  NEWS("1,from,\"a\" 2,to,\"b\"");
  OK(cookies[0] == cookies[1] && cookies[0] != 0);
  uint32_t const before = cookies[0];
  NEED(rename("two/b", "two/c"));
  NEWS("2,from,\"b\" 2,to,\"c\"");
  OK(cookies[0] == cookies[1] && cookies[0] != before);
  close(make_file("one/d", "x"));
  news();
  watch("one/d", IN_ALL_EVENTS);
  watch("two/c", IN_ALL_EVENTS);
  NEED(rename("two/c", "one/d"));
  NEWS("2,from,\"c\" 1,to,\"d\" 3,attrib 4,move_self 3,delete_self 3,ignored");
  NEED(rename("one", "two/folder"));
  NEWS("2,to,dir,\"folder\" 1,move_self");
  NEED(SYS(renameat2, AT_FDCWD, "two/folder/d", AT_FDCWD, "two", 0) == -1 ? 0 : -1);
  close(make_file("two/x", "x"));
  news();
  NEED(SYS(renameat2, AT_FDCWD, "two/folder/d", AT_FDCWD, "two/x", 2));
  NEWS("1,from,\"d\" 2,to,\"x\" 4,move_self 2,from,\"x\" 1,to,\"d\"");
}

TEST(masks) {
  start();
  close(make_file("file", "x"));
  IS(watch("file", IN_OPEN), 1);
  IS(watch("file", IN_CLOSE), 1);
  close(open("file", O_RDONLY));
  NEWS("1,close");
  IS(watch("file", IN_OPEN | IN_MASK_ADD), 1);
  close(open("file", O_RDONLY));
  NEWS("1,open 1,close");
  IS(inotify_rm_watch(notify, 1), 0);
  NEWS("1,ignored");
  close(open("file", O_RDONLY));
  NEWS("");
  IS(watch("file", IN_OPEN | IN_ONESHOT), 2);
  close(open("file", O_RDONLY));
  NEWS("2,open 2,ignored");
  NEED(symlink("file", "link"));
  IS(watch("link", IN_OPEN), 3);
  IS(watch("file", IN_OPEN), 3);
  IS(watch("link", IN_OPEN | IN_DONT_FOLLOW), 4);
}

TEST(unlinked_but_open) {
  start();
  int const one = make_file("one", "x"), two = make_file("two", "x");
  watch(".", IN_MODIFY);
  NEED(unlink("one"));
  NEED(write(one, "y", 1));
  NEWS("1,modify,\"one\"");
  watch(".", IN_MODIFY | IN_EXCL_UNLINK);
  NEED(write(two, "y", 1));
  NEWS("1,modify,\"two\"");
  NEED(unlink("two"));
  NEED(write(two, "y", 1));
  NEWS("");
}

TEST(several_listeners) {
  start();
  int const first = notify;
  watch(".", IN_CREATE);
  start();
  watch(".", IN_CREATE | IN_OPEN);
  close(make_file("file", ""));
  NEWS("1,create,\"file\" 1,open,\"file\"");
  int const second = notify;
  notify = first;
  NEWS("1,create,\"file\"");
  close(second);
  close(make_file("other", ""));
  NEWS("1,create,\"other\"");
}

TEST(overflow) {
  char buffer[4096];
  start();
  watch(".", IN_OPEN | IN_CLOSE);
  make_file("file", "x");
  for (int i = 0; i < 8400; ++i) close(open("file", O_RDONLY));
  long events = 0;
  bool overflowed = false;
  for (ssize_t size; (size = read(notify, buffer, sizeof buffer)) > 0;)
    for (char* at = buffer; at < buffer + size; ++events) {
      struct inotify_event const* e = (struct inotify_event*)at;
      overflowed = e->mask == IN_Q_OVERFLOW && e->wd == -1 && e->len == 0;
      at += sizeof *e + e->len;
    }
  IS(events, 16385);
  OK(overflowed);
  close(open("file", O_RDONLY));
  NEWS("1,open,\"file\" 1,close,\"file\"");
}

TEST(too_many_instances) {
  int made = 0;
  become_nobody();
  for (; made < 200; ++made)
    if (inotify_init1(0) < 0) break;
  IS(made, 128);
  FAILS(inotify_init1(0), EMFILE);
}

TEST(waits) {
  start();
  watch(".", IN_CREATE);
  NEED(fcntl(notify, F_SETFL, 0));
  int const epoll = (int)NEED(epoll_create1(0));
  struct epoll_event e = {.events = EPOLLIN};
  NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, notify, &e));
  IS(epoll_wait(epoll, &e, 1, 0), 0);
  pid_t child = fork();
  if (child == 0) _exit(mkdir("one", 0755));
  IS(epoll_wait(epoll, &e, 1, -1), 1);
  char buffer[64];
  IS(read(notify, buffer, sizeof buffer), 32);
  ktap_status_of(child);
  child = fork();
  if (child == 0) _exit(mkdir("two", 0755));
  IS(read(notify, buffer, sizeof buffer), 32);
  ktap_status_of(child);
}

TEST(users_have_limits) {
  set_sysctl("fs/inotify/max_user_watches", "3");
  IS(IN_CHILD({
       become_nobody();
       int const file = inotify_init();
       char const* const places[] = {"/", "/tmp", "/proc", "/dev"};
       for (int i = 0; i < 3; ++i)
         if (inotify_add_watch(file, places[i], IN_OPEN) < 0) _exit(1);
       if (inotify_add_watch(file, places[3], IN_OPEN) >= 0 || errno != ENOSPC) _exit(2);
       if (inotify_rm_watch(file, 1) != 0) _exit(3);
       if (inotify_add_watch(file, places[3], IN_OPEN) < 0) _exit(4);
     }),
     0);
  set_sysctl("fs/inotify/max_user_watches", "8192");
  set_sysctl("fs/inotify/max_user_instances", "2");
  IS(IN_CHILD({
       become_nobody();
       if (inotify_init() < 0 || inotify_init() < 0) _exit(1);
       if (inotify_init() >= 0 || errno != EMFILE) _exit(2);
     }),
     0);
  set_sysctl("fs/inotify/max_user_instances", "128");
  set_sysctl("fs/inotify/max_queued_events", "3");
  int const file = (int)NEED(inotify_init1(IN_NONBLOCK));
  set_sysctl("fs/inotify/max_queued_events", "16384");
  NEED(mkdir("watched", 0755));
  NEED(inotify_add_watch(file, "watched", IN_CREATE));
  for (int i = 0; i < 6; ++i) {
    char name[20];
    snprintf(name, sizeof name, "watched/%d", i);
    close(make_file(name, ""));
  }
  char events[1000];
  ssize_t const size = NEED(read(file, events, sizeof events));
  int count = 0, overflows = 0;
  for (ssize_t at = 0; at < size;) {
    struct inotify_event const* const e = (void*)(events + at);
    ++count;
    overflows += e->mask == IN_Q_OVERFLOW && e->wd == -1;
    at += (ssize_t)(sizeof *e + e->len);
  }
  IS(count, 4);
  IS(overflows, 1);
}

// However much goes from file to file at once, each is told of once.
TEST(bytes_between_files) {
  int const from = make_file("from", ""), to = make_file("to", "");
  NEED(ftruncate(from, 300000));
  start();
  watch("from", IN_ACCESS | IN_MODIFY);
  watch("to", IN_ACCESS | IN_MODIFY);
  IS(sendfile(to, from, NULL, 300000), 300000);
  NEWS("1,access 2,modify");
  off_t in = 0, out = 0;
  IS(copy_file_range(from, &in, to, &out, 300000, 0), 300000);
  NEWS("1,access 2,modify");
  int ends[2];
  NEED(pipe(ends));
  IS(splice(from, &in, ends[1], NULL, 1, 0), 0);
  NEWS("");
  in = 0;
  IS(splice(from, &in, ends[1], NULL, 1, 0), 1);
  IS(splice(ends[0], NULL, to, &in, 1, 0), 1);
  NEWS("1,access 2,modify");
}
