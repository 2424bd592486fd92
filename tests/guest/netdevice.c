// Network devices as ioctl(2), /sys and /proc show and change them: lo.
#include "rtnl.h"

#include <linux/sockios.h>
#include <sys/mount.h>

static char text[8192];

static char const* load(char const* path) {
  text[0] = 0;
  int const file = open(path, O_RDONLY);
  if (file < 0) return strerrorname_np(errno);
  ssize_t const n = read(file, text, sizeof text - 1);
  if (n < 0)
    snprintf(text, sizeof text, "%s", strerrorname_np(errno));
  else
    text[n] = 0;
  close(file);
  return text;
}
#define SAYS(path, value) OK(strcmp(load(path), value) == 0)

static int store(char const* path, char const* value) {
  int const file = open(path, O_WRONLY);
  if (file < 0) return -1;
  long const n = write(file, value, strlen(value));
  int const error = errno;
  close(file);
  errno = error;
  return n < 0 ? -1 : 0;
}

// --- ioctls ---------------------------------------------------------------------------------
static void check_ioctls(int fd) {
  struct ifreq r = named("lo");
  WORKS(ioctl(fd, SIOCGIFINDEX, &r));
  IS(r.ifr_ifindex, 1);
  r = named("lo:5");
  WORKS(ioctl(fd, SIOCGIFINDEX, &r));
  OK(strcmp(r.ifr_name, "lo:5") == 0);
  r = (struct ifreq){.ifr_ifindex = 1};
  WORKS(ioctl(fd, SIOCGIFNAME, &r));
  OK(strcmp(r.ifr_name, "lo") == 0);
  r = (struct ifreq){.ifr_ifindex = 4711};
  FAILS(ioctl(fd, SIOCGIFNAME, &r), ENODEV);
  r = named("lo");
  WORKS(ioctl(fd, SIOCGIFFLAGS, &r));
  IS(r.ifr_flags, IFF_LOOPBACK);
  WORKS(ioctl(fd, SIOCGIFMTU, &r));
  IS(r.ifr_mtu, 65536);
  WORKS(ioctl(fd, SIOCGIFTXQLEN, &r));
  IS(r.ifr_qlen, 1000);
  WORKS(ioctl(fd, SIOCGIFHWADDR, &r));
  IS(r.ifr_hwaddr.sa_family, 772);
  WORKS(ioctl(fd, SIOCGIFMETRIC, &r));
  IS(r.ifr_metric, 0);
  WORKS(ioctl(fd, SIOCGIFMAP, &r));
  IS(r.ifr_map.irq, 0);
  FAILS(ioctl(fd, SIOCGIFSLAVE, &r), EINVAL);
  FAILS(ioctl(fd, SIOCGIFADDR, &r), ENOTTY);
  FAILS(ioctl(fd, SIOCGIFMEM, &r), ENOTTY);
  FAILS(ioctl(fd, SIOCDEVPRIVATE, &r), EOPNOTSUPP);
  FAILS(ioctl(fd, SIOCSIFMETRIC, &r), EOPNOTSUPP);
  FAILS(ioctl(fd, SIOCSIFSLAVE, &r), EINVAL);
  FAILS(ioctl(fd, SIOCGIFINDEX, BAD_POINTER), EFAULT);
  FAILS(ioctl(fd, SIOCADDMULTI, &r), EINVAL);
  struct ifconf all = {0};
  WORKS(ioctl(fd, SIOCGIFCONF, &all));
  IS(all.ifc_len, 0);
  FAILS(ioctl(fd, SIOCGIFCONF, BAD_POINTER), EFAULT);
}

TEST(ioctls) {
  enter_network();
  check_ioctls((int)NEED(socket(AF_UNIX, SOCK_STREAM, 0)));
}
TEST(ioctls_of_netlink) {
  enter_network();
  int const fd = open_netlink(NETLINK_ROUTE);
  check_ioctls(fd);
  int n;
  FAILS(ioctl(fd, FIONREAD, &n), ENOTTY);
}

TEST(changes_by_ioctl) {
  enter_network();
  int const fd = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0)), news = listen_to_links();
  WORKS(set_flags(fd, IFF_UP));
  IS(change_of(next(news)), IFF_UP);
  struct ifreq r = named("lo");
  WORKS(ioctl(fd, SIOCGIFFLAGS, &r));
  IS(r.ifr_flags, IFF_LOOPBACK | IFF_UP | IFF_RUNNING);
  WORKS(set_flags(fd, 0));
  IS(change_of(next(news)), IFF_UP);
  r.ifr_mtu = 9000;
  WORKS(ioctl(fd, SIOCSIFMTU, &r));
  IS(number_of(next(news), IFLA_MTU), 9000);
  r.ifr_mtu = -1;
  FAILS(ioctl(fd, SIOCSIFMTU, &r), EINVAL);
  r.ifr_mtu = 65536;
  WORKS(ioctl(fd, SIOCSIFMTU, &r));
  next(news);
  r.ifr_qlen = 12;
  WORKS(ioctl(fd, SIOCSIFTXQLEN, &r));
  IS(number_of(next(news), IFLA_TXQLEN), 12);
  r.ifr_qlen = -12;
  FAILS(ioctl(fd, SIOCSIFTXQLEN, &r), EINVAL);
  r.ifr_qlen = 40000;
  FAILS(ioctl(fd, SIOCSIFTXQLEN, &r), ERANGE);
  r.ifr_qlen = 1000;
  WORKS(ioctl(fd, SIOCSIFTXQLEN, &r));
  r.ifr_hwaddr.sa_family = 1;
  FAILS(ioctl(fd, SIOCSIFHWADDR, &r), EINVAL);
  FAILS(ioctl(fd, SIOCSIFHWBROADCAST, &r), EINVAL);
  r = named("nobody0");
  FAILS(ioctl(fd, SIOCSIFFLAGS, &r), ENODEV);
}

// --- files ----------------------------------------------------------------------------------
TEST(files) {
  enter_network();
  int const fd = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  NEED(mkdir("sys", 0755));
  NEED(mount("none", "sys", "sysfs", 0, NULL));
  ssize_t n = readlink("sys/class/net/lo", text, sizeof text);
  OK(n == 28 && memcmp(text, "../../devices/virtual/net/lo", 28) == 0);
  NEED(chdir("sys/devices/virtual/net/lo"));
  n = readlink("subsystem", text, sizeof text);
  OK(n == 21 && memcmp(text, "../../../../class/net", 21) == 0);
  SAYS("uevent", "INTERFACE=lo\nIFINDEX=1\n");
  SAYS("ifindex", "1\n");
  SAYS("iflink", "1\n");
  SAYS("type", "772\n");
  SAYS("mtu", "65536\n");
  SAYS("flags", "0x8\n");
  SAYS("tx_queue_len", "1000\n");
  SAYS("addr_len", "6\n");
  SAYS("dev_id", "0x0\n");
  SAYS("name_assign_type", "2\n");
  SAYS("link_mode", "0\n");
  SAYS("ifalias", "");
  SAYS("netdev_group", "0\n");
  SAYS("operstate", "down\n");
  SAYS("carrier", "EINVAL");
  SAYS("dormant", "EINVAL");
  SAYS("speed", "EINVAL");
  SAYS("duplex", "EINVAL");
  SAYS("phys_port_id", "EOPNOTSUPP");
  SAYS("carrier_changes", "0\n");
  SAYS("statistics/rx_bytes", "0\n");
  SAYS("statistics/tx_compressed", "0\n");
  struct stat s;
  WORKS(stat("mtu", &s));
  IS(s.st_mode, S_IFREG | 0644);
  NEED(set_flags(fd, IFF_UP));
  SAYS("flags", "0x9\n");
  SAYS("operstate", "unknown\n");
  SAYS("carrier", "1\n");
  SAYS("testing", "0\n");
  WORKS(store("flags", "0x0"));
  SAYS("flags", "0x8\n");
  WORKS(store("mtu", "1400\n"));
  SAYS("mtu", "1400\n");
  FAILS(store("mtu", "many"), EINVAL);
  WORKS(store("mtu", "65536"));
  FAILS(store("tx_queue_len", "32768"), ERANGE);
  WORKS(store("tx_queue_len", "500"));
  SAYS("tx_queue_len", "500\n");
  WORKS(store("tx_queue_len", "1000"));
  WORKS(store("ifalias", "the loop\n"));
  SAYS("ifalias", "the loop\n");
  WORKS(store("ifalias", "\n"));
  SAYS("ifalias", "");
  FAILS(store("carrier", "1"), EOPNOTSUPP);
  FAILS(store("proto_down", "1"), EOPNOTSUPP);
  NEED(chdir("/"));
}

TEST(proc_files) {
  enter_network();
  ssize_t const n = readlink("/proc/net", text, sizeof text);
  OK(n == 8 && memcmp(text, "self/net", 8) == 0);
  load("/proc/net/dev");
  OK(strncmp(text, "Inter-|   Receive ", 18) == 0);
  char const* const line = strstr(text, "    lo:       0       0    0    0    0     0 ");
  OK(line &&
     strcmp(strchr(line, ':'), ":       0       0    0    0    0     0          0         0"
                               "        0       0    0    0    0     0       0          0\n") == 0);
  struct stat s;
  WORKS(stat("/proc/self/net", &s));
  IS(s.st_mode, S_IFDIR | 0555);
  WORKS(stat("/proc/thread-self/net/dev", &s));
  IS(s.st_mode, S_IFREG | 0444);
}
