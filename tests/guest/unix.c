// Sockets of AF_UNIX: streams, packets, names, what travels beside the bytes, and what is left.
#include "ktap.h"

#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

static char text[4096];

static struct sockaddr_un named(char const* path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strncpy(a.sun_path, path, sizeof a.sun_path - 1);
  return a;
}

static int bind_to(int fd, char const* path) {
  struct sockaddr_un const a = named(path);
  return bind(fd, (struct sockaddr const*)&a, sizeof a);
}

static int connect_to(int fd, char const* path) {
  struct sockaddr_un const a = named(path);
  return connect(fd, (struct sockaddr const*)&a, sizeof a);
}

static int make_listener(char const* path, int type, int backlog) {
  int const fd = (int)NEED(socket(AF_UNIX, type, 0));
  NEED(bind_to(fd, path));
  NEED(listen(fd, backlog));
  return fd;
}

static void make_pair(int type, int pair[2]) { NEED(socketpair(AF_UNIX, type, 0, pair)); }

static bool got(long size, char const* wanted) {
  return size == (long)strlen(wanted) && memcmp(text, wanted, (size_t)size) == 0;
}

static int events_of(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
  return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

TEST(made) {
  int const fd = (int)WORKS(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
  IS(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
  struct stat s;
  WORKS(fstat(fd, &s));
  IS(s.st_mode, S_IFSOCK | 0777);
  FAILS(lseek(fd, 0, SEEK_CUR), ESPIPE);
  FAILS(socket(AF_UNIX, 77, 0), EINVAL);
  FAILS(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
  FAILS(socket(AF_UNIX, SOCK_STREAM, 5), EPROTONOSUPPORT);
  FAILS(socket(AF_UNIX, SOCK_STREAM | 0x10000, 0), EINVAL);
  FAILS(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT);
  FAILS(socketpair(AF_UNIX, SOCK_STREAM, 0, BAD_POINTER), EFAULT);
  FAILS(bind_to(make_file("f", ""), "x"), ENOTSOCK);
  FAILS(listen(999, 1), EBADF);
  char link[64], path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  long const size = readlink(path, link, sizeof link);
  OK(size > 9 && strncmp(link, "socket:[", 8) == 0);
  FAILS(open(path, O_RDWR), ENXIO);
}

TEST(stream_pair) {
  int p[2];
  make_pair(SOCK_STREAM, p);
  IS(events_of(p[0]), POLLOUT);
  IS(write(p[0], "hello ", 6), 6);
  IS(send(p[0], "world", 5, 0), 5);
  IS(events_of(p[1]), POLLIN | POLLOUT);
  int waiting = 0;
  WORKS(ioctl(p[1], FIONREAD, &waiting));
  IS(waiting, 11);
  OK(got(recv(p[1], text, 4, MSG_PEEK), "hell"));
  OK(got(read(p[1], text, 3), "hel"));
  OK(got(recv(p[1], text, sizeof text, 0), "lo world"));
  FAILS(recv(p[1], text, 1, MSG_DONTWAIT), EAGAIN);
  // Both ways.
  IS(write(p[1], "back", 4), 4);
  OK(got(recv(p[0], text, sizeof text, MSG_PEEK), "back"));
  OK(got(read(p[0], text, sizeof text), "back"));
  IS(send(p[0], "", 0, 0), 0);
  FAILS(recv(p[1], text, 1, MSG_DONTWAIT), EAGAIN);
  FAILS(send(p[0], BAD_POINTER, 10, 0), EFAULT);
  FAILS(recv(p[0], text, 1, MSG_OOB | MSG_DONTWAIT), EINVAL);
  // The end.
  IS(write(p[0], "last", 4), 4);
  WORKS(close(p[0]));
  IS(events_of(p[1]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
  OK(got(read(p[1], text, sizeof text), "last"));
  IS(read(p[1], text, 1), 0);
  signal(SIGPIPE, SIG_IGN);
  FAILS(write(p[1], "x", 1), EPIPE);
}

TEST(end_with_unread_bytes) {
  int p[2];
  make_pair(SOCK_STREAM, p);
  IS(write(p[1], "never read", 10), 10);
  WORKS(close(p[0]));
  IS(events_of(p[1]) & POLLERR, POLLERR);
  FAILS(read(p[1], text, 1), ECONNRESET);
  IS(read(p[1], text, 1), 0);
}

TEST(broken_pipe) {
  int p[2];
  IS(IN_CHILD(make_pair(SOCK_STREAM, p); close(p[1]); (void)!write(p[0], "x", 1)), SIGPIPE);
  IS(IN_CHILD(make_pair(SOCK_STREAM, p); close(p[1]);
              _exit(send(p[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE ? 0 : 1)),
     0);
  IS(IN_CHILD(make_pair(SOCK_SEQPACKET, p); close(p[1]);
              _exit(write(p[0], "x", 1) < 0 && errno == EPIPE ? 0 : 1)),
     0);
}

TEST(shut_down) {
  int p[2];
  make_pair(SOCK_STREAM, p);
  IS(write(p[0], "before", 6), 6);
  WORKS(shutdown(p[0], SHUT_WR));
  signal(SIGPIPE, SIG_IGN);
  FAILS(write(p[0], "x", 1), EPIPE);
  OK(got(read(p[1], text, sizeof text), "before"));
  IS(read(p[1], text, 1), 0);
  IS(events_of(p[1]), POLLIN | POLLOUT | POLLRDHUP);
  IS(write(p[1], "still", 5), 5);
  OK(got(read(p[0], text, sizeof text), "still"));
  WORKS(shutdown(p[0], SHUT_RD));
  FAILS(write(p[1], "x", 1), EPIPE);
  IS(events_of(p[1]) & (POLLHUP | POLLRDHUP), POLLHUP | POLLRDHUP);
  FAILS(shutdown(p[0], 7), EINVAL);
  int const alone = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  WORKS(shutdown(alone, SHUT_RDWR));
}

TEST(packets) {
  int p[2];
  make_pair(SOCK_SEQPACKET, p);
  IS(send(p[0], "first", 5, 0), 5);
  IS(send(p[0], "second", 6, 0), 6);
  IS(send(p[0], "", 0, 0), 0);
  int waiting = 0;
  WORKS(ioctl(p[1], FIONREAD, &waiting));
  IS(waiting, 11);
  OK(got(recv(p[1], text, 3, 0), "fir"));
  IS(recv(p[1], text, 2, MSG_TRUNC | MSG_PEEK), 6);
  struct iovec v = {text, 2};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  IS(recvmsg(p[1], &m, 0), 2);
  IS(m.msg_flags, MSG_TRUNC);
  IS(recv(p[1], text, 10, 0), 0);
  FAILS(recv(p[1], text, 10, MSG_DONTWAIT), EAGAIN);
  int size = 0;
  socklen_t length = sizeof size;
  WORKS(getsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &size, &length));
  IS(size, 212992);
  char* const large = calloc(1, 300000);
  FAILS(send(p[0], large, 300000, 0), EMSGSIZE);
  free(large);
  WORKS(close(p[0]));
  IS(recv(p[1], text, 10, 0), 0);
}

TEST(listening) {
  int const server = make_listener("s", SOCK_STREAM, 5);
  struct stat st;
  WORKS(stat("s", &st));
  OK(S_ISSOCK(st.st_mode));
  IS(events_of(server), 0);
  int const client = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  IS(events_of(client), POLLOUT | POLLHUP);
  FAILS(read(client, text, 1), EINVAL);
  FAILS(send(client, "x", 1, 0), ENOTCONN);
  WORKS(connect_to(client, "s"));
  FAILS(connect_to(client, "s"), EISCONN);
  IS(events_of(server), POLLIN);
  IS(write(client, "early", 5), 5);
  struct sockaddr_un from;
  socklen_t size = sizeof from;
  int const accepted = (int)WORKS(accept4(server, (struct sockaddr*)&from, &size, SOCK_CLOEXEC));
  IS(fcntl(accepted, F_GETFD), FD_CLOEXEC);
  IS(size, 2);
  IS(from.sun_family, AF_UNIX);
  OK(got(read(accepted, text, sizeof text), "early"));
  size = sizeof from;
  WORKS(getsockname(accepted, (struct sockaddr*)&from, &size));
  OK(size == 4 && strcmp(from.sun_path, "s") == 0);
  size = sizeof from;
  WORKS(getpeername(client, (struct sockaddr*)&from, &size));
  OK(size == 4 && strcmp(from.sun_path, "s") == 0);
  size = sizeof from;
  WORKS(getpeername(accepted, (struct sockaddr*)&from, &size));
  IS(size, 2);
  FAILS(getpeername(server, (struct sockaddr*)&from, &size), ENOTCONN);
  FAILS(accept4(server, NULL, NULL, 1), EINVAL);
  FAILS(accept(client, NULL, NULL), EINVAL);
  int option = 0;
  size = sizeof option;
  WORKS(getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, &option, &size));
  IS(option, 1);
  WORKS(fcntl(server, F_SETFL, O_NONBLOCK));
  FAILS(accept(server, NULL, NULL), EAGAIN);
  // Who nobody accepted finds out.
  int const waiting = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  WORKS(connect_to(waiting, "s"));
  WORKS(close(server));
  FAILS(read(waiting, text, 1), ECONNRESET);
  int const late = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  FAILS(connect_to(late, "s"), ECONNREFUSED);
  FAILS(connect_to(late, "missing"), ENOENT);
  make_file("plain", "");
  FAILS(connect_to(late, "plain"), ECONNREFUSED);
  FAILS(listen(late, 1), EINVAL);
}

TEST(backlog) {
  int const server = make_listener("s", SOCK_STREAM, 1);
  int clients[4], connected = 0;
  for (int i = 0; i < 4; ++i) {
    clients[i] = (int)NEED(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (connect_to(clients[i], "s") == 0)
      ++connected;
    else
      IS(errno, EAGAIN);
  }
  IS(connected, 2);
  // One that waits goes on when there is room.
  pid_t const child = fork();
  if (child == 0) {
    int const patient = socket(AF_UNIX, SOCK_STREAM, 0);
    _exit(connect_to(patient, "s") == 0 ? 0 : 1);
  }
  WORKS(accept(server, NULL, NULL));
  IS(ktap_status_of(child), 0);
}

TEST(names) {
  int const fd = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  struct sockaddr_un a = {.sun_family = AF_INET};
  FAILS(bind(fd, (struct sockaddr*)&a, sizeof a), EINVAL);
  FAILS(bind(fd, (struct sockaddr*)&a, 1), EINVAL);
  FAILS(bind(fd, (struct sockaddr*)&a, 200), EINVAL);
  FAILS(bind(fd, BAD_POINTER, 20), EFAULT);
  FAILS(bind_to(fd, "no/folder"), ENOENT);
  make_file("there", "");
  FAILS(bind_to(fd, "there"), EADDRINUSE);
  WORKS(bind_to(fd, "mine"));
  FAILS(bind_to(fd, "other"), EINVAL);
  // Without a file.
  int const abstract = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  struct sockaddr_un b = {.sun_family = AF_UNIX};
  memcpy(b.sun_path, "\0auk-test", 9);
  WORKS(bind(abstract, (struct sockaddr*)&b, 2 + 9));
  int const again = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  FAILS(bind(again, (struct sockaddr*)&b, 2 + 9), EADDRINUSE);
  FAILS(connect(again, (struct sockaddr*)&b, 2 + 9), ECONNREFUSED);
  WORKS(listen(abstract, 1));
  WORKS(connect(again, (struct sockaddr*)&b, 2 + 9));
  struct sockaddr_un name;
  socklen_t size = sizeof name;
  WORKS(getpeername(again, (struct sockaddr*)&name, &size));
  OK(size == 11 && memcmp(name.sun_path, "\0auk-test", 9) == 0);
  close(abstract);
  WORKS(bind(NEED(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr*)&b, 2 + 9));
  // Five digits that the kernel chooses.
  int const automatic = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  WORKS(bind(automatic, (struct sockaddr*)&b, 2));
  size = sizeof name;
  WORKS(getsockname(automatic, (struct sockaddr*)&name, &size));
  IS(size, 8);
  IS(name.sun_path[0], 0);
  // Cut to the room there is, with the whole size.
  size = 4;
  WORKS(getsockname(automatic, (struct sockaddr*)&name, &size));
  IS(size, 8);
  umask(022);
  int const rights = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  WORKS(bind_to(rights, "rights"));
  struct stat s;
  WORKS(stat("rights", &s));
  IS(s.st_mode & 0777, 0755);
  WORKS(chmod("rights", 0600));
  IS(IN_CHILD(if (setuid(NOBODY) != 0) _exit(9); int const other = socket(AF_UNIX, SOCK_DGRAM, 0);
              _exit(connect_to(other, "rights") < 0 && errno == EACCES ? 0 : 1)),
     0);
}

TEST(datagrams) {
  int const receiver = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  int const sender = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  WORKS(bind_to(receiver, "r"));
  struct sockaddr_un const to = named("r");
  FAILS(send(sender, "x", 1, 0), ENOTCONN);
  IS(sendto(sender, "one", 3, 0, (struct sockaddr const*)&to, sizeof to), 3);
  struct sockaddr_un from;
  socklen_t size = sizeof from;
  OK(got(recvfrom(receiver, text, sizeof text, 0, (struct sockaddr*)&from, &size), "one"));
  IS(size, 0);
  WORKS(bind_to(sender, "s"));
  WORKS(connect_to(sender, "r"));
  IS(send(sender, "two", 3, 0), 3);
  IS(send(sender, "", 0, 0), 0);
  size = sizeof from;
  OK(got(recvfrom(receiver, text, sizeof text, 0, (struct sockaddr*)&from, &size), "two"));
  OK(size == 4 && strcmp(from.sun_path, "s") == 0);
  IS(recv(receiver, text, 10, 0), 0);
  // Only who it is connected to may send to it.
  int const third = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  WORKS(connect_to(receiver, "s"));
  FAILS(sendto(third, "x", 1, 0, (struct sockaddr const*)&to, sizeof to), EPERM);
  FAILS(connect_to(third, "r"), EPERM);
  struct sockaddr none = {.sa_family = AF_UNSPEC};
  WORKS(connect(receiver, &none, sizeof none));
  IS(sendto(third, "x", 1, 0, (struct sockaddr const*)&to, sizeof to), 1);
  int const stream = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  FAILS(connect_to(stream, "r"), EPROTOTYPE);
  FAILS(listen(receiver, 1), EOPNOTSUPP);
  FAILS(accept(receiver, NULL, NULL), EOPNOTSUPP);
  WORKS(close(receiver));
  FAILS(send(sender, "x", 1, 0), ECONNREFUSED);
  FAILS(send(sender, "x", 1, 0), ENOTCONN);
}

TEST(full_queues) {
  int p[2];
  make_pair(SOCK_STREAM, p);
  NEED(fcntl(p[0], F_SETFL, O_NONBLOCK));
  char* const large = calloc(1, 100000);
  long sent = 0, n;
  while ((n = write(p[0], large, 100000)) > 0) sent += n;
  IS(errno, EAGAIN);
  OK(sent >= 100000 && sent <= 300000);
  IS(events_of(p[0]), 0);
  long received = 0;
  while ((n = recv(p[1], large, 100000, MSG_DONTWAIT)) > 0) received += n;
  IS(received, sent);
  IS(events_of(p[0]), POLLOUT);
  // A writer that waits goes on.
  NEED(fcntl(p[0], F_SETFL, 0));
  pid_t const child = fork();
  if (child == 0) {
    close(p[1]);
    long done = 0;
    while (done < 3000000 && (n = write(p[0], large, 100000)) > 0) done += n;
    _exit(done == 3000000 ? 0 : 1);
  }
  close(p[0]);
  received = 0;
  while ((n = read(p[1], large, 70000)) > 0) received += n;
  IS(received, 3000000);
  IS(ktap_status_of(child), 0);
  int q[2];
  make_pair(SOCK_DGRAM, q);
  NEED(fcntl(q[0], F_SETFL, O_NONBLOCK));
  int count = 0;
  while (send(q[0], "x", 1, 0) == 1) ++count;
  IS(errno, EAGAIN);
  OK(count >= 10);
  IS(events_of(q[0]), 0);
  free(large);
}

TEST(wait_all_and_times) {
  int p[2];
  make_pair(SOCK_STREAM, p);
  pid_t const child = fork();
  if (child == 0) {
    for (int i = 0; i < 10; ++i) (void)!write(p[0], "ab", 2);
    _exit(0);
  }
  IS(recv(p[1], text, 20, MSG_WAITALL), 20);
  ktap_status_of(child);
  struct timeval const t = {.tv_usec = 20000};
  WORKS(setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  FAILS(read(p[1], text, 1), EAGAIN);
  struct timeval back;
  socklen_t size = sizeof back;
  WORKS(getsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &back, &size));
  OK(back.tv_sec == 0 && back.tv_usec == 20000);
  struct timeval const bad = {.tv_usec = 2000000};
  FAILS(setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad), EDOM);
}

// --- what travels beside the bytes ---------------------------------------------------------

static long send_files(int fd, int const* files, int count, char const* bytes) {
  char room[CMSG_SPACE(300 * sizeof(int))] = {0};
  struct iovec v = {(char*)bytes, strlen(bytes)};
  struct msghdr m = {.msg_iov = &v,
                     .msg_iovlen = 1,
                     .msg_control = room,
                     .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
  struct cmsghdr* const c = CMSG_FIRSTHDR(&m);
  *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN((size_t)count * sizeof(int))};
  memcpy(CMSG_DATA(c), files, (size_t)count * sizeof(int));
  return sendmsg(fd, &m, 0);
}

static int received[300], received_flags;

// How many files came.
static int receive_files(int fd, int most, int flags) {
  char room[CMSG_SPACE(300 * sizeof(int))] = {0};
  struct iovec v = {text, sizeof text};
  struct msghdr m = {.msg_iov = &v,
                     .msg_iovlen = 1,
                     .msg_control = room,
                     .msg_controllen = most == 0 ? 0 : CMSG_LEN((size_t)most * sizeof(int))};
  if (recvmsg(fd, &m, flags) < 0) return -1;
  received_flags = m.msg_flags;
  int count = 0;
  for (struct cmsghdr* c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_type != SCM_RIGHTS) continue;
    int const here = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(received + count, CMSG_DATA(c), (size_t)here * sizeof(int));
    count += here;
  }
  return count;
}

TEST(files) {
  int p[2], q[2];
  make_pair(SOCK_STREAM, p);
  NEED(pipe(q));
  IS(send_files(p[0], q, 2, "two"), 3);
  IS(write(p[0], "more", 4), 4);
  IS(receive_files(p[1], 4, 0), 2);
  IS(received_flags, 0);
  IS(write(received[1], "through", 7), 7);
  OK(got(read(q[0], text, sizeof text), "through"));
  OK(got(read(p[1], text, sizeof text), "more"));
  // Looked at, they come twice.
  IS(send_files(p[0], q, 1, "p"), 1);
  IS(receive_files(p[1], 4, MSG_PEEK), 1);
  IS(receive_files(p[1], 4, MSG_CMSG_CLOEXEC), 1);
  IS(fcntl(received[0], F_GETFD), FD_CLOEXEC);
  // Too little room: the rest is closed.
  IS(send_files(p[0], q, 2, "c"), 1);
  IS(receive_files(p[1], 1, 0), 1);
  IS(received_flags & MSG_CTRUNC, MSG_CTRUNC);
  IS(send_files(p[0], q, 2, "c"), 1);
  IS(receive_files(p[1], 0, 0), 0);
  IS(received_flags & MSG_CTRUNC, MSG_CTRUNC);
  // A read drops them.
  IS(send_files(p[0], q, 2, "r"), 1);
  OK(got(read(p[1], text, 10), "r"));
  int const bad[1] = {999};
  FAILS(send_files(p[0], bad, 1, "x"), EBADF);
  int many[254];
  for (int i = 0; i < 254; ++i) many[i] = q[0];
  FAILS(send_files(p[0], many, 254, "x"), EINVAL);
  IS(send_files(p[0], many, 253, "x"), 1);
  IS(receive_files(p[1], 253, 0), 253);
}

TEST(files_end_with_the_message) {
  int p[2], q[2];
  make_pair(SOCK_STREAM, p);
  NEED(pipe(q));
  IS(send_files(p[0], &q[1], 1, "w"), 1);
  close(q[1]);
  struct pollfd end = {.fd = q[0], .events = POLLIN};
  IS(poll(&end, 1, 0), 0);
  close(p[0]);
  close(p[1]);
  // The writing end was in the message only.
  IS(poll(&end, 1, 30000), 1);
  IS(end.revents, POLLHUP);
}

// Sockets that are open only inside of messages of each other.
TEST(circles) {
  int q[2];
  NEED(pipe(q));
  for (int i = 0; i < 50; ++i) {
    int p[2], r[2];
    make_pair(SOCK_STREAM, p);
    make_pair(SOCK_DGRAM, r);
    int const files[3] = {p[0], r[1], q[1]};
    NEED(send_files(p[1], files, 3, "a"));
    NEED(send_files(r[0], &p[1], 1, "b"));
    NEED(send_files(p[0], &r[0], 1, "c"));
    close(p[0]);
    close(p[1]);
    close(r[0]);
    close(r[1]);
  }
  close(q[1]);
  // The pipe has no writer any more once they are found.
  struct pollfd end = {.fd = q[0], .events = POLLIN};
  int tries = 0;
  for (; tries < 300 && poll(&end, 1, 100) == 0; ++tries)
    close((int)NEED(socket(AF_UNIX, SOCK_STREAM, 0)));
  OK(tries < 300);
  IS(end.revents, POLLHUP);
}

// A chain of messages in messages, deeper than any stack.
TEST(long_chain) {
  int q[2], before;
  NEED(pipe(q));
  before = q[1];
  for (int i = 0; i < 3000; ++i) {
    int p[2];
    make_pair(SOCK_DGRAM, p);
    NEED(send_files(p[0], &before, 1, "x"));
    close(before);
    close(p[0]);
    before = p[1];
  }
  close(before);
  struct pollfd end = {.fd = q[0], .events = POLLIN};
  IS(poll(&end, 1, 30000), 1);
  IS(end.revents, POLLHUP);
}

static struct ucred sender;

static bool receive_sender(int fd) {
  char room[256] = {0};
  struct iovec v = {text, sizeof text};
  struct msghdr m = {
      .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  if (recvmsg(fd, &m, 0) < 0) return false;
  struct cmsghdr* const c = CMSG_FIRSTHDR(&m);
  if (c == NULL || c->cmsg_type != SCM_CREDENTIALS) return false;
  memcpy(&sender, CMSG_DATA(c), sizeof sender);
  return true;
}

static long send_as(int fd, struct ucred who) {
  char room[CMSG_SPACE(sizeof who)] = {0};
  struct iovec v = {"x", 1};
  struct msghdr m = {
      .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  struct cmsghdr* const c = CMSG_FIRSTHDR(&m);
  *c = (struct cmsghdr){
      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof who)};
  memcpy(CMSG_DATA(c), &who, sizeof who);
  return sendmsg(fd, &m, 0);
}

TEST(senders) {
  int p[2];
  make_pair(SOCK_DGRAM, p);
  int const on = 1;
  WORKS(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  IS(send(p[0], "x", 1, 0), 1);
  OK(receive_sender(p[1]));
  OK(sender.pid == getpid() && sender.uid == 0 && sender.gid == 0);
  pid_t const child = fork();
  if (child == 0) {
    if (setgid(34) != 0 || setuid(12) != 0) _exit(1);
    bool const refused =
        send_as(p[0], (struct ucred){.pid = getpid(), .uid = 0}) < 0 && errno == EPERM;
    _exit(refused && write(p[0], "x", 1) == 1 ? 0 : 2);
  }
  OK(receive_sender(p[1]));
  OK(sender.pid == child && sender.uid == 12 && sender.gid == 34);
  IS(ktap_status_of(child), 0);
  IS(send_as(p[0], (struct ucred){.pid = 1, .uid = 77, .gid = 88}), 1);
  OK(receive_sender(p[1]));
  OK(sender.pid == 1 && sender.uid == 77 && sender.gid == 88);
  FAILS(send_as(p[0], (struct ucred){.pid = 4000000}), ESRCH);
}

TEST(peers) {
  int const server = make_listener("s", SOCK_STREAM, 5);
  WORKS(chmod("s", 0777));
  pid_t const child = fork();
  if (child == 0) {
    if (setgid(34) != 0 || setuid(12) != 0) _exit(1);
    int const client = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect_to(client, "s") != 0) _exit(2);
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) _exit(3);
    char c;
    _exit(peer.pid == getppid() && peer.uid == 0 && read(client, &c, 1) == 1 ? 0 : 4);
  }
  int const accepted = (int)WORKS(accept(server, NULL, NULL));
  struct ucred peer;
  socklen_t size = sizeof peer;
  WORKS(getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &size));
  OK(peer.pid == child && peer.uid == 12 && peer.gid == 34);
  IS(write(accepted, "x", 1), 1);
  IS(ktap_status_of(child), 0);
  int const alone = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  size = sizeof peer;
  WORKS(getsockopt(alone, SOL_SOCKET, SO_PEERCRED, &peer, &size));
  OK(peer.pid == 0 && peer.uid == (uid_t)-1 && peer.gid == (gid_t)-1);
}

static long option_of(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) != 0 ? -1 : value;
}

static int set_option(int fd, int option, int value) {
  return setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
}

TEST(options) {
  int const fd = (int)NEED(socket(AF_UNIX, SOCK_SEQPACKET, 0));
  IS(option_of(fd, SO_TYPE), SOCK_SEQPACKET);
  IS(option_of(fd, SO_DOMAIN), AF_UNIX);
  IS(option_of(fd, SO_PROTOCOL), 0);
  IS(option_of(fd, SO_ERROR), 0);
  WORKS(set_option(fd, SO_SNDBUF, 10000));
  IS(option_of(fd, SO_SNDBUF), 20000);
  WORKS(set_option(fd, SO_SNDBUF, 1));
  IS(option_of(fd, SO_SNDBUF), 4608);
  WORKS(set_option(fd, SO_SNDBUF, 1 << 30));
  IS(option_of(fd, SO_SNDBUF), 425984);
  WORKS(set_option(fd, SO_REUSEADDR, 7));
  IS(option_of(fd, SO_REUSEADDR), 1);
  IS(option_of(fd, SO_KEEPALIVE), 0);
  int value = 1;
  socklen_t size = sizeof value;
  FAILS(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, 2), EINVAL);
  FAILS(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, BAD_POINTER, 4), EFAULT);
  FAILS(setsockopt(fd, SOL_SOCKET, 9999, &value, 4), ENOPROTOOPT);
  FAILS(getsockopt(fd, SOL_SOCKET, 9999, &value, &size), ENOPROTOOPT);
  FAILS(getsockopt(fd, 6, 1, &value, &size), EOPNOTSUPP);
  FAILS(setsockopt(fd, 6, 1, &value, 4), EOPNOTSUPP);
  size = 1;
  WORKS(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size));
  IS(size, 1);
}

TEST(many_messages) {
  int p[2];
  make_pair(SOCK_DGRAM, p);
  char bytes[3][8] = {"one", "two", "three"};
  struct iovec v[3];
  struct mmsghdr m[3] = {0};
  for (int i = 0; i < 3; ++i) {
    v[i] = (struct iovec){bytes[i], strlen(bytes[i])};
    m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
  }
  IS(sendmmsg(p[0], m, 3, 0), 3);
  IS(m[2].msg_len, 5);
  for (int i = 0; i < 3; ++i) v[i].iov_len = 8;
  IS(recvmmsg(p[1], m, 3, MSG_WAITFORONE, NULL), 3);
  IS(m[0].msg_len, 3);
  IS(send(p[0], "x", 1, 0), 1);
  IS(recvmmsg(p[1], m, 3, MSG_WAITFORONE, NULL), 1);
}

TEST(epoll_tells) {
  int p[2];
  make_pair(SOCK_STREAM, p);
  int const e = (int)NEED(epoll_create1(0));
  struct epoll_event wanted = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
  WORKS(epoll_ctl(e, EPOLL_CTL_ADD, p[1], &wanted));
  struct epoll_event event;
  IS(epoll_wait(e, &event, 1, 0), 0);
  IS(write(p[0], "x", 1), 1);
  IS(epoll_wait(e, &event, 1, 0), 1);
  IS(event.events, EPOLLIN);
  IS(epoll_wait(e, &event, 1, 0), 0);
  WORKS(close(p[0]));
  IS(epoll_wait(e, &event, 1, 0), 1);
  IS(event.events, EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}

/// A queue holds net.unix.max_dgram_qlen packets and one more.
static int fill(int fd) {
  int sent = 0;
  while (send(fd, "x", 1, MSG_DONTWAIT) == 1) ++sent;
  return sent;
}

TEST(room_of_a_peer) {
  int const receiver = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  NEED(bind_to(receiver, "r"));
  int const fd = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  int const e = (int)NEED(epoll_create1(0));
  struct epoll_event wanted = {.events = EPOLLOUT | EPOLLET};
  // Watched before there is a peer.
  WORKS(epoll_ctl(e, EPOLL_CTL_ADD, fd, &wanted));
  struct epoll_event event;
  IS(epoll_wait(e, &event, 1, 0), 1);
  WORKS(connect_to(fd, "r"));
  IS(fill(fd), 11);
  IS(events_of(fd), 0);
  (void)epoll_wait(e, &event, 1, 0);
  IS(epoll_wait(e, &event, 1, 0), 0);
  pid_t const child = fork();
  if (child == 0) {
    char c;
    _exit(read(receiver, &c, 1) == 1 ? 0 : 1);
  }
  IS(epoll_wait(e, &event, 1, 10000), 1);
  IS(ktap_status_of(child), 0);
  IS(events_of(fd), POLLOUT);
  IS(fill(fd), 1);
  // It goes to another one that has room.
  int const other = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  NEED(bind_to(other, "o"));
  WORKS(connect_to(fd, "o"));
  IS(events_of(fd), POLLOUT);
  IS(fill(fd), 11);
  IS(events_of(fd), 0);
  WORKS(close(other));
  IS(events_of(fd) & POLLOUT, POLLOUT);
  FAILS(send(fd, "x", 1, MSG_DONTWAIT), ECONNREFUSED);
}

TEST(room_of_a_pair) {
  int p[2];
  make_pair(SOCK_DGRAM, p);
  for (int i = 0; i < 50; ++i) NEED(send(p[0], "x", 1, MSG_DONTWAIT));
  IS(events_of(p[0]), POLLOUT);
}

TEST(sender_of_a_stream) {
  int const server = make_listener("s", SOCK_STREAM, 5);
  int const client = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  NEED(bind_to(client, "c"));
  NEED(connect_to(client, "s"));
  int const accepted = (int)NEED(accept(server, NULL, NULL));
  NEED(write(client, "ab", 2));
  struct sockaddr_un from;
  socklen_t size = sizeof from;
  IS(recvfrom(accepted, text, 2, 0, (struct sockaddr*)&from, &size), 2);
  IS(size, sizeof(sa_family_t) + 2);
  IS(strcmp(from.sun_path, "c"), 0);
  NEED(write(accepted, "c", 1));
  size = sizeof from;
  IS(recvfrom(client, text, 1, 0, (struct sockaddr*)&from, &size), 1);
  IS(strcmp(from.sun_path, "s"), 0);
}

TEST(mounts_are_let_go) {
  NEED(mkdir("m", 0700));
  NEED(mount("none", "m", "tmpfs", 0, NULL));
  int const receiver = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  NEED(bind_to(receiver, "r"));
  int const fd = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  NEED(bind_to(fd, "m/a"));
  NEED(connect_to(fd, "r"));
  NEED(send(fd, "x", 1, 0));
  FAILS(umount("m"), EBUSY);
  WORKS(close(fd));
  // The packet on its way does not keep the file.
  WORKS(umount("m"));
  struct sockaddr_un from;
  socklen_t size = sizeof from;
  IS(recvfrom(receiver, text, 1, 0, (struct sockaddr*)&from, &size), 1);
  IS(strcmp(from.sun_path, "m/a"), 0);
}

TEST(many_clients) {
  int const server = make_listener("s", SOCK_STREAM, 100);
  enum { CLIENTS = 8, ROUNDS = 50 };
  for (int c = 0; c < CLIENTS; ++c) {
    if (fork() != 0) continue;
    for (int i = 0; i < ROUNDS; ++i) {
      int const fd = socket(AF_UNIX, SOCK_STREAM, 0);
      if (connect_to(fd, "s") != 0 || write(fd, &i, sizeof i) != sizeof i) _exit(1);
      int back = -1;
      if (read(fd, &back, sizeof back) != sizeof back || back != i + 1) _exit(2);
      close(fd);
    }
    _exit(0);
  }
  int served = 0;
  for (; served < CLIENTS * ROUNDS; ++served) {
    int const fd = accept(server, NULL, NULL);
    int number = 0;
    if (fd < 0 || read(fd, &number, sizeof number) != sizeof number) break;
    ++number;
    if (write(fd, &number, sizeof number) != sizeof number) break;
    close(fd);
  }
  IS(served, CLIENTS * ROUNDS);
  int failed = 0;
  for (int c = 0; c < CLIENTS; ++c) {
    int status = -1;
    wait(&status);
    failed += status != 0;
  }
  IS(failed, 0);
}
