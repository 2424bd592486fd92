// Open files: read, write, positions, descriptors and their flags.
#include "ktap.h"

#include <linux/close_range.h>
#include <sys/sendfile.h>

TEST(open_creates) {
  int const file = (int)WORKS(open("new", O_RDWR | O_CREAT | O_EXCL, 0640));
  struct stat facts;
  WORKS(fstat(file, &facts));
  IS(facts.st_mode, S_IFREG | 0640);
  IS(facts.st_size, 0);
  IS(facts.st_nlink, 1);
  FAILS(open("new", O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
  WORKS(open("new", O_RDWR | O_CREAT, 0640));
  umask(077);
  IS(fstat((int)WORKS(open("masked", O_RDWR | O_CREAT, 0666)), &facts), 0);
  IS(facts.st_mode, S_IFREG | 0600);
}

TEST(open_errors) {
  char long_name[300];
  memset(long_name, 'a', sizeof long_name);
  long_name[299] = 0;
  close(make_file("file", "x"));
  NEED(mkdir("folder", 0755));
  NEED(symlink("loop", "loop"));
  NEED(symlink("file", "link"));
  FAILS(open("missing", O_RDONLY), ENOENT);
  FAILS(open("", O_RDONLY), ENOENT);
  FAILS(open("missing/new", O_RDWR | O_CREAT, 0600), ENOENT);
  FAILS(open("file/below", O_RDONLY), ENOTDIR);
  FAILS(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
  FAILS(open("folder", O_RDWR), EISDIR);
  FAILS(open("folder", O_WRONLY), EISDIR);
  FAILS(open("folder", O_RDONLY | O_CREAT, 0600), EISDIR);
  FAILS(open("loop", O_RDONLY), ELOOP);
  FAILS(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
  FAILS(open(long_name, O_RDONLY), ENAMETOOLONG);
  FAILS(open(BAD_POINTER, O_RDONLY), EFAULT);
  FAILS(open("file/", O_RDONLY), ENOTDIR);
  WORKS(open("link", O_RDONLY));
  WORKS(open("folder", O_RDONLY | O_DIRECTORY));
  FAILS(SYS(open, "missing", O_RDONLY), ENOENT);
  WORKS(SYS(open, "file", O_RDONLY));
  WORKS(creat("created", 0600));
}

TEST(open_path_too_long) {
  char* const path = malloc(PATH_MAX + 10);
  for (int i = 0; i < PATH_MAX + 9; ++i) path[i] = i % 2 ? '/' : '.';
  path[PATH_MAX + 9] = 0;
  FAILS(open(path, O_RDONLY), ENAMETOOLONG);
  path[PATH_MAX - 1] = 0;
  WORKS(open(path, O_RDONLY));
}

TEST(open_without_permission) {
  close(make_file("secret", "x"));
  NEED(chmod("secret", 0600));
  NEED(mkdir("closed", 0700));
  close(make_file("closed/file", "x"));
  become_nobody();
  FAILS(open("secret", O_RDONLY), EACCES);
  FAILS(open("secret", O_WRONLY), EACCES);
  FAILS(open("closed/file", O_RDONLY), EACCES);
  FAILS(open("new", O_RDWR | O_CREAT, 0600), EACCES);
}

TEST(openat_relative) {
  NEED(mkdir("folder", 0755));
  close(make_file("folder/file", "x"));
  int const folder = (int)WORKS(open("folder", O_RDONLY | O_DIRECTORY));
  int const file = (int)WORKS(openat(folder, "file", O_RDONLY));
  int const path = (int)WORKS(open("folder/file", O_PATH));
  char byte;
  FAILS(openat(closed_descriptor(), "file", O_RDONLY), EBADF);
  FAILS(openat(file, "file", O_RDONLY), ENOTDIR);
  FAILS(openat(folder, "missing", O_RDONLY), ENOENT);
  WORKS(openat(-1, "/", O_RDONLY));
  WORKS(openat(AT_FDCWD, "folder/file", O_RDONLY));
  FAILS(read(path, &byte, 1), EBADF);
}

TEST(lowest_descriptor) {
  int const first = (int)NEED(open("/", O_RDONLY));
  int const second = (int)NEED(open("/", O_RDONLY));
  IS(second, first + 1);
  WORKS(close(first));
  IS(open("/", O_RDONLY), first);
  FAILS(close(second + 1), EBADF);
  FAILS(close(-1), EBADF);
  WORKS(close(second));
  FAILS(close(second), EBADF);
}

TEST(read_and_write) {
  char buffer[16] = "";
  int const file = (int)NEED(open("file", O_RDWR | O_CREAT, 0600));
  IS(write(file, "hello world", 11), 11);
  IS(lseek(file, 0, SEEK_CUR), 11);
  IS(read(file, buffer, sizeof buffer), 0);
  IS(lseek(file, 6, SEEK_SET), 6);
  IS(read(file, buffer, sizeof buffer), 5);
  OK(memcmp(buffer, "world", 5) == 0);
  IS(write(file, "", 0), 0);
  IS(read(file, buffer, 0), 0);
}

TEST(read_and_write_errors) {
  char byte = 0;
  int const file = make_file("file", "content");
  int const reader = (int)NEED(open("file", O_RDONLY));
  int const writer = (int)NEED(open("file", O_WRONLY));
  int const folder = (int)NEED(open(".", O_RDONLY));
  FAILS(read(closed_descriptor(), &byte, 1), EBADF);
  FAILS(write(closed_descriptor(), &byte, 1), EBADF);
  FAILS(write(reader, &byte, 1), EBADF);
  FAILS(read(writer, &byte, 1), EBADF);
  FAILS(read(folder, &byte, 1), EISDIR);
  FAILS(read(file, BAD_POINTER, 1), EFAULT);
  FAILS(write(file, BAD_POINTER, 1), EFAULT);
  FAILS(read(file, &byte, (size_t)-1), EFAULT);
}

// What lies before the end of a buffer is still transferred.
TEST(partly_bad_buffers) {
  char* const pages = page_before_nothing();
  int const file = make_file("file", "0123456789");
  IS(read(file, pages + 4096 - 4, 4), 4);
  OK(memcmp(pages + 4096 - 4, "0123", 4) == 0);
  int ends[2];
  NEED(pipe(ends));
  memcpy(pages + 4096 - 4, "abcd", 4);
  IS(write(ends[1], pages + 4096 - 4, 4), 4);
  FAILS(write(ends[1], pages + 4096, 4), EFAULT);
}

TEST(append) {
  int const file = make_file("file", "abc");
  int const appender = (int)NEED(open("file", O_WRONLY | O_APPEND));
  NEED(write(file, "ABCDEF", 6));
  IS(write(appender, "ghi", 3), 3);
  IS(lseek(appender, 0, SEEK_CUR), 9);
  IS(lseek(file, 0, SEEK_END), 9);
}

TEST(truncating_open) {
  close(make_file("file", "abc"));
  struct stat facts;
  WORKS(open("file", O_WRONLY | O_TRUNC));
  WORKS(stat("file", &facts));
  IS(facts.st_size, 0);
}

TEST(seek) {
  int ends[2];
  NEED(pipe(ends));
  int const file = make_file("file", "abc");
  IS(lseek(file, 10, SEEK_SET), 10);
  IS(lseek(file, -4, SEEK_CUR), 6);
  IS(lseek(file, 2, SEEK_END), 5);
  FAILS(lseek(file, -1, SEEK_SET), EINVAL);
  FAILS(lseek(file, -4, SEEK_END), EINVAL);
  FAILS(lseek(file, 0, 99), EINVAL);
  FAILS(lseek(closed_descriptor(), 0, SEEK_SET), EBADF);
  FAILS(lseek(ends[0], 0, SEEK_SET), ESPIPE);
  IS(lseek(file, 0, SEEK_DATA), 0);
  FAILS(lseek(file, 3, SEEK_DATA), ENXIO);
  IS(lseek(file, 0, SEEK_HOLE), 3);
}

TEST(holes_and_data_are_found_without_a_look_at_each_page) {
  off_t const far = (off_t)1 << 60;
  int const file = make_file("file", "abc");
  WORKS(ftruncate(file, far + 8192));
  IS(lseek(file, 1, SEEK_HOLE), 4096);
  IS(lseek(file, far + 5, SEEK_HOLE), far + 5);
  FAILS(lseek(file, 4096, SEEK_DATA), ENXIO);
  IS(pwrite(file, "z", 1, far + 4097), 1);
  IS(lseek(file, 1, SEEK_DATA), 1);
  IS(lseek(file, 4096, SEEK_DATA), far + 4096);
  IS(lseek(file, far + 5000, SEEK_DATA), far + 5000);
  IS(lseek(file, far + 5000, SEEK_HOLE), far + 8192);
  WORKS(ftruncate(file, 4097));
  FAILS(lseek(file, 4096, SEEK_DATA), ENXIO);
  WORKS(ftruncate(file, far));
  FAILS(lseek(file, 4096, SEEK_DATA), ENXIO);
}

TEST(holes_read_as_zeros) {
  char buffer[8];
  int const file = make_file("file", "ab");
  NEED(lseek(file, 5000, SEEK_SET));
  IS(write(file, "z", 1), 1);
  IS(lseek(file, 0, SEEK_END), 5001);
  IS(pread(file, buffer, 4, 4998), 3);
  OK(buffer[0] == 0 && buffer[1] == 0 && buffer[2] == 'z');
  IS(pread(file, buffer, 4, 1), 4);
  OK(memcmp(buffer, "b\0\0\0", 4) == 0);
}

TEST(pread_and_pwrite) {
  char buffer[8] = "";
  int ends[2];
  NEED(pipe(ends));
  int const file = make_file("file", "0123456789");
  IS(pread(file, buffer, 3, 4), 3);
  OK(memcmp(buffer, "456", 3) == 0);
  IS(lseek(file, 0, SEEK_CUR), 0);
  IS(pwrite(file, "AB", 2, 8), 2);
  IS(lseek(file, 0, SEEK_CUR), 0);
  IS(pread(file, buffer, 8, 8), 2);
  OK(memcmp(buffer, "AB", 2) == 0);
  IS(pread(file, buffer, 8, 100), 0);
  FAILS(pread(file, buffer, 1, -1), EINVAL);
  FAILS(pwrite(file, buffer, 1, -1), EINVAL);
  FAILS(pread(ends[0], buffer, 1, 0), ESPIPE);
  FAILS(pwrite(ends[1], buffer, 1, 0), ESPIPE);
  FAILS(pread(closed_descriptor(), buffer, 1, 0), EBADF);
  FAILS(pread(file, BAD_POINTER, 1, 0), EFAULT);
}

TEST(vectors) {
  char a[3], b[4];
  int const file = make_file("file", "");
  struct iovec const out[] = {{"one", 3}, {"", 0}, {"four", 4}};
  struct iovec const in[] = {{a, 3}, {b, 4}};
  struct iovec const bad[] = {{BAD_POINTER, 1}};
  struct iovec const negative[] = {{a, 3}, {b, (size_t)-1}};
  IS(writev(file, out, 3), 7);
  IS(lseek(file, 0, SEEK_SET), 0);
  IS(readv(file, in, 2), 7);
  OK(memcmp(a, "one", 3) == 0 && memcmp(b, "four", 4) == 0);
  IS(readv(file, in, 2), 0);
  IS(writev(file, out, 0), 0);
  FAILS(writev(file, out, -1), EINVAL);
  FAILS(readv(file, in, 1025), EINVAL);
  FAILS(writev(file, BAD_POINTER, 1), EFAULT);
  FAILS(writev(file, bad, 1), EFAULT);
  FAILS(writev(file, negative, 2), EINVAL);
  FAILS(readv(closed_descriptor(), in, 2), EBADF);
  IS(lseek(file, 0, SEEK_SET), 0);
  IS(SYS(preadv, file, in, 1, 3, 0), 3);
  OK(memcmp(a, "fou", 3) == 0);
}

TEST(duplicates) {
  int const file = make_file("file", "abcdef");
  int const same = (int)WORKS(dup(file));
  char byte;
  NEED(lseek(file, 3, SEEK_SET));
  IS(lseek(same, 0, SEEK_CUR), 3);
  WORKS(close(file));
  IS(read(same, &byte, 1), 1);
  IS(byte, 'd');
  IS(dup2(same, 100), 100);
  IS(dup2(same, same), same);
  IS(dup2(same, 100), 100);
  FAILS(dup(file), EBADF);
  FAILS(dup2(file, 101), EBADF);
  FAILS(dup2(file, file), EBADF);
  FAILS(dup2(same, -1), EBADF);
  FAILS(dup2(same, 1 << 30), EBADF);
  IS(dup3(same, 102, O_CLOEXEC), 102);
  IS(fcntl(102, F_GETFD), FD_CLOEXEC);
  IS(fcntl(100, F_GETFD), 0);
  FAILS(dup3(same, same, 0), EINVAL);
  FAILS(dup3(same, 103, O_APPEND), EINVAL);
  FAILS(dup3(file, 103, 0), EBADF);
}

TEST(descriptor_flags) {
  int const file = (int)NEED(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  IS(fcntl(file, F_GETFD), FD_CLOEXEC);
  IS(fcntl(file, F_SETFD, 0), 0);
  IS(fcntl(file, F_GETFD), 0);
  IS(fcntl(file, F_SETFD, FD_CLOEXEC), 0);
  IS(fcntl(file, F_DUPFD, 50), 50);
  IS(fcntl(file, F_DUPFD, 50), 51);
  IS(fcntl(50, F_GETFD), 0);
  IS(fcntl(file, F_DUPFD_CLOEXEC, 60), 60);
  IS(fcntl(60, F_GETFD), FD_CLOEXEC);
  FAILS(fcntl(file, F_DUPFD, -1), EINVAL);
  FAILS(fcntl(file, F_DUPFD, 1 << 30), EINVAL);
  FAILS(fcntl(closed_descriptor(), F_GETFD), EBADF);
  FAILS(fcntl(file, 9999), EINVAL);
}

TEST(status_flags) {
  int const file = (int)NEED(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
  int const same = (int)NEED(dup(file));
  // O_LARGEFILE is zero in the C library and always set by the kernel.
  int const ignored = 0100000;
  IS(fcntl(file, F_GETFL) & ~ignored, O_RDWR);
  IS(fcntl(file, F_SETFL, O_APPEND | O_NONBLOCK), 0);
  IS(fcntl(same, F_GETFL) & ~ignored, O_RDWR | O_APPEND | O_NONBLOCK);
  IS(fcntl(file, F_SETFL, O_WRONLY), 0);
  IS(fcntl(file, F_GETFL) & ~ignored, O_RDWR);
  FAILS(fcntl(closed_descriptor(), F_GETFL), EBADF);
}

TEST(descriptor_limit) {
  struct rlimit const few = {20, 20};
  NEED(setrlimit(RLIMIT_NOFILE, &few));
  int last = -1, next;
  while ((next = open("/", O_RDONLY)) >= 0) last = next;
  IS(errno, EMFILE);
  IS(last, 19);
  int ends[2];
  FAILS(dup(0), EMFILE);
  FAILS(pipe(ends), EMFILE);
  FAILS(dup2(0, 20), EBADF);
  FAILS(fcntl(0, F_DUPFD, 0), EMFILE);
  FAILS(fcntl(0, F_DUPFD, 20), EINVAL);
}

TEST(truncation) {
  int const file = make_file("file", "0123456789");
  int const reader = (int)NEED(open("file", O_RDONLY));
  struct stat facts;
  char buffer[4];
  WORKS(ftruncate(file, 4));
  WORKS(fstat(file, &facts));
  IS(facts.st_size, 4);
  WORKS(truncate("file", 8));
  IS(pread(file, buffer, 4, 4), 4);
  OK(memcmp(buffer, "\0\0\0\0", 4) == 0);
  FAILS(ftruncate(file, -1), EINVAL);
  FAILS(ftruncate(reader, 0), EINVAL);
  FAILS(ftruncate(closed_descriptor(), 0), EBADF);
  FAILS(truncate("missing", 0), ENOENT);
  FAILS(truncate(".", 0), EISDIR);
  FAILS(truncate("file", -1), EINVAL);
  FAILS(truncate("file/below", 0), ENOTDIR);
  FAILS(truncate(BAD_POINTER, 0), EFAULT);
  IN_CHILD(become_nobody());
  IS(IN_CHILD({
       become_nobody();
       _exit(truncate("file", 0) == -1 ? errno : 0);
     }),
     EXITED(EACCES));
}

TEST(size_limit) {
  struct rlimit const small = {100, 100};
  int const file = make_file("file", "");
  NEED(setrlimit(RLIMIT_FSIZE, &small));
  signal(SIGXFSZ, SIG_IGN);
  char bytes[150] = "";
  IS(write(file, bytes, sizeof bytes), 100);
  FAILS(write(file, bytes, 1), EFBIG);
  FAILS(ftruncate(file, 101), EFBIG);
  IS(WTERMSIG(IN_CHILD({
       signal(SIGXFSZ, SIG_DFL);
       (void)!write(file, bytes, 1);
     })),
     SIGXFSZ);
}

TEST(syncing) {
  int const file = make_file("file", "x");
  int ends[2];
  NEED(pipe(ends));
  WORKS(fsync(file));
  WORKS(fdatasync(file));
  FAILS(fsync(closed_descriptor()), EBADF);
  FAILS(fsync(ends[0]), EINVAL);
  IS((sync(), 0), 0);
}

TEST(devices) {
  char buffer[64];
  memset(buffer, 1, sizeof buffer);
  int const null = (int)WORKS(open("/dev/null", O_RDWR));
  int const zero = (int)WORKS(open("/dev/zero", O_RDWR));
  int const full = (int)WORKS(open("/dev/full", O_RDWR));
  struct stat facts;
  IS(write(null, buffer, 64), 64);
  IS(read(null, buffer, 64), 0);
  IS(read(zero, buffer, 64), 64);
  OK(buffer[0] == 0 && buffer[63] == 0);
  IS(write(zero, buffer, 64), 64);
  FAILS(write(full, buffer, 1), ENOSPC);
  IS(read(full, buffer, 64), 64);
  WORKS(fstat(null, &facts));
  OK(S_ISCHR(facts.st_mode));
  IS(facts.st_rdev, 0x103);
  IS(read((int)WORKS(open("/dev/urandom", O_RDONLY)), buffer, 64), 64);
  IS(lseek(null, 100, SEEK_SET), 0);
}

TEST(mapped_file_shows_writes) {
  int const file = make_file("file", "hello");
  char const* const map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
  OK(map != MAP_FAILED);
  OK(memcmp(map, "hello", 6) == 0);
  NEED(pwrite(file, "J", 1, 0));
  IS(map[0], 'J');
}

TEST(open_file_survives_unlink) {
  int const file = make_file("file", "still here");
  struct stat facts;
  char buffer[10];
  WORKS(unlink("file"));
  WORKS(fstat(file, &facts));
  IS(facts.st_nlink, 0);
  IS(read(file, buffer, 10), 10);
  OK(memcmp(buffer, "still here", 10) == 0);
  FAILS(open("file", O_RDONLY), ENOENT);
}

TEST(sharing_after_fork) {
  int const file = make_file("file", "0123456789");
  char byte;
  IS(IN_CHILD(_exit(read(file, &byte, 1) == 1 && byte == '0' ? 0 : 1)), 0);
  IS(read(file, &byte, 1), 1);
  IS(byte, '1');
}

TEST(copying_ranges) {
  int const from = make_file("from", "0123456789");
  int const to = make_file("to", "abcdefghij");
  off_t in = 2, out = 5;
  IS(SYS(copy_file_range, from, &in, to, &out, 3, 0), 3);
  IS(in, 5);
  IS(out, 8);
  IS(lseek(from, 0, SEEK_CUR), 0);
  char text[32] = {0};
  IS(pread(to, text, sizeof text, 0), 10);
  IS(strcmp(text, "abcde234ij"), 0);
  IS(SYS(copy_file_range, from, NULL, to, NULL, 4, 0), 4);
  IS(lseek(from, 0, SEEK_CUR), 4);
  IS(lseek(to, 0, SEEK_CUR), 4);
  IS(SYS(copy_file_range, from, NULL, to, NULL, 100, 0), 6);
  IS(SYS(copy_file_range, from, NULL, to, NULL, 100, 0), 0);
  in = 0;
  IS(SYS(copy_file_range, from, &in, to, NULL, 0, 0), 0);
  // Parts of one file that do not overlap.
  in = 0, out = 20;
  IS(SYS(copy_file_range, to, &in, to, &out, 5, 0), 5);
  in = 0, out = 4;
  FAILS(SYS(copy_file_range, to, &in, to, &out, 5, 0), EINVAL);
  FAILS(SYS(copy_file_range, from, NULL, to, NULL, 1, 1), EINVAL);
  int ends[2];
  NEED(pipe(ends));
  FAILS(SYS(copy_file_range, ends[0], NULL, to, NULL, 1, 0), EINVAL);
  FAILS(SYS(copy_file_range, from, NULL, ends[1], NULL, 1, 0), EINVAL);
  int const folder = (int)NEED(open(".", O_RDONLY));
  FAILS(SYS(copy_file_range, folder, NULL, to, NULL, 1, 0), EISDIR);
  int const read_only = (int)NEED(open("to", O_RDONLY));
  FAILS(SYS(copy_file_range, from, NULL, read_only, NULL, 1, 0), EBADF);
  int const append = (int)NEED(open("to", O_WRONLY | O_APPEND));
  FAILS(SYS(copy_file_range, from, NULL, append, NULL, 1, 0), EBADF);
  FAILS(SYS(copy_file_range, -1, NULL, to, NULL, 1, 0), EBADF);
  FAILS(SYS(copy_file_range, from, BAD_POINTER, to, NULL, 1, 0), EFAULT);
}

// As programs ask that want all of it.
TEST(copying_to_the_end) {
  int const from = make_file("from", "0123456789");
  int const to = make_file("to", "");
  NEED(lseek(from, 3, SEEK_SET));
  IS(SYS(copy_file_range, from, NULL, to, NULL, SSIZE_MAX, 0), 7);
  IS(SYS(copy_file_range, from, NULL, to, NULL, SSIZE_MAX, 0), 0);
  off_t in = 0, out = 100;
  // What overlaps only beyond the end does not.
  IS(SYS(copy_file_range, from, &in, from, &out, 1 << 20, 0), 10);
  in = 5, out = 0;
  FAILS(SYS(copy_file_range, from, &in, to, &out, ~0UL - 3, 0), EOVERFLOW);
  int const elsewhere = (int)NEED(open("/proc/version", O_RDONLY));
  FAILS(SYS(copy_file_range, elsewhere, NULL, to, NULL, 1, 0), EXDEV);
}

static unsigned mode_of_program(int fd) {
  struct stat s;
  NEED(fstat(fd, &s));
  return s.st_mode & 07777;
}

// Who changes a program that runs with its owner's rights takes them away from it.
TEST(rights_of_a_changed_program) {
  int const fd = make_file("f", "0123456789");
  int const from = make_file("from", "0123456789");
  int pipes[2];
  NEED(pipe(pipes));
  // Not who may do everything.
  NEED(fchmod(fd, 06777));
  IS(pwrite(fd, "x", 1, 0), 1);
  IS(mode_of_program(fd), 06777);
  NEED(chmod(".", 0777));
  NEED(fchown(fd, NOBODY, NOBODY));
  NEED(fchmod(fd, 06777));
  NEED(setgid(NOBODY));
  NEED(setuid(NOBODY));
  IS(pwrite(fd, "x", 0, 0), 0);
  IS(mode_of_program(fd), 06777);
  IS(pwrite(fd, "x", 1, 0), 1);
  IS(mode_of_program(fd), 0777);
  NEED(fchmod(fd, 06777));
  NEED(ftruncate(fd, 5));
  IS(mode_of_program(fd), 0777);
  NEED(fchmod(fd, 06777));
  NEED(truncate("f", 5));
  IS(mode_of_program(fd), 0777);
  NEED(fchmod(fd, 06777));
  NEED(fallocate(fd, 0, 0, 100));
  IS(mode_of_program(fd), 0777);
  NEED(fchmod(fd, 06777));
  IS(sendfile(fd, from, NULL, 1), 1);
  IS(mode_of_program(fd), 0777);
  NEED(fchmod(fd, 06777));
  IS(copy_file_range(from, NULL, fd, NULL, 1, 0), 1);
  IS(mode_of_program(fd), 0777);
  NEED(fchmod(fd, 06777));
  NEED(write(pipes[1], "x", 1));
  IS(splice(pipes[0], NULL, fd, NULL, 1, 0), 1);
  IS(mode_of_program(fd), 0777);
  NEED(fchmod(fd, 06777));
  NEED(open("f", O_WRONLY | O_TRUNC));
  IS(mode_of_program(fd), 0777);
  // Without the group's right to run it, its bit means something else.
  NEED(fchmod(fd, 06767));
  IS(pwrite(fd, "x", 1, 0), 1);
  IS(mode_of_program(fd), 02767);
}

TEST(advice) {
  int const file = make_file("f", "x");
  for (int advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE; ++advice)
    IS(SYS(fadvise64, file, 0, 0, advice), 0);
  FAILS(SYS(fadvise64, file, 0, 0, 6), EINVAL);
  FAILS(SYS(fadvise64, file, 0, -1L, POSIX_FADV_NORMAL), EINVAL);
  FAILS(SYS(fadvise64, -1, 0, 0, POSIX_FADV_NORMAL), EBADF);
  int ends[2];
  NEED(pipe(ends));
  FAILS(SYS(fadvise64, ends[0], 0, 0, POSIX_FADV_NORMAL), ESPIPE);
}

TEST(vectors_at_offsets) {
  int const file = make_file("f", "0123456789");
  char a[3] = "ab", b[4] = "cde";
  struct iovec const parts[2] = {{a, 2}, {b, 3}};
  IS(SYS(pwritev, file, parts, 2, 4, 0), 5);
  IS(lseek(file, 0, SEEK_CUR), 0);
  char text[16] = {0};
  IS(SYS(pread64, file, text, sizeof text, 0), 10);
  IS(strcmp(text, "0123abcde9"), 0);
  IS(SYS(pwrite64, file, "XY", 2, 9), 2);
  IS(SYS(pread64, file, text, sizeof text, 8), 3);
  IS(memcmp(text, "eXY", 3), 0);
  FAILS(SYS(pread64, file, text, 1, -1L), EINVAL);
  FAILS(SYS(pwrite64, file, text, 1, -1L), EINVAL);
  int ends[2];
  NEED(pipe(ends));
  FAILS(SYS(pread64, ends[0], text, 1, 0), ESPIPE);
  FAILS(SYS(pwritev, ends[1], parts, 2, 0, 0), ESPIPE);
}

TEST(closing_ranges) {
  int const first = (int)NEED(dup2(make_file("f", ""), 50));
  NEED(dup2(first, 51));
  NEED(dup2(first, 53));
  WORKS(SYS(close_range, 51, 60, CLOSE_RANGE_CLOEXEC));
  IS(fcntl(50, F_GETFD), 0);
  IS(fcntl(51, F_GETFD), FD_CLOEXEC);
  WORKS(SYS(close_range, 50, 52, 0));
  FAILS(fcntl(50, F_GETFD), EBADF);
  FAILS(fcntl(51, F_GETFD), EBADF);
  IS(fcntl(53, F_GETFD), FD_CLOEXEC);
  FAILS(SYS(close_range, 2, 1, 0), EINVAL);
  FAILS(SYS(close_range, 1, 2, 1), EINVAL);
  WORKS(SYS(close_range, 53, ~0U, CLOSE_RANGE_UNSHARE));
  FAILS(fcntl(53, F_GETFD), EBADF);
}

TEST(neither_for_reading_nor_for_writing) {
  close(make_file("file", "secret"));
  int const file = (int)WORKS(open("file", O_ACCMODE));
  IS(fcntl(file, F_GETFL) & O_ACCMODE, O_ACCMODE);
  char bytes[8];
  FAILS(read(file, bytes, sizeof bytes), EBADF);
  FAILS(pread(file, bytes, sizeof bytes, 0), EBADF);
  FAILS(write(file, bytes, 1), EBADF);
  FAILS(ftruncate(file, 0), EINVAL);
  OK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED);
  IS(errno, EACCES);
  int ends[2];
  NEED(pipe(ends));
  FAILS(splice(file, NULL, ends[1], NULL, 1, 0), EBADF);
  NEED(chmod("file", 0444));
  become_nobody();
  FAILS(open("file", O_ACCMODE), EACCES);
}
