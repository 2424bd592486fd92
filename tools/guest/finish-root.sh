# The last step of making a root of Debian (tools/auk/run/debian.cpp), run by mmdebstrap when all
# packages are configured: $1 is the root.
set -eu

# This guest's, not the host's.
rm -f "$1/etc/hostname" "$1/etc/resolv.conf"
echo auk >"$1/etc/hostname"
printf '127.0.0.1\tlocalhost auk\n' >"$1/etc/hosts"
# Empty means: to be chosen by the system that boots.
: >"$1/etc/machine-id"

# busybox for every name that no package brings; where Debian's packages put nothing, so that they
# stay in charge of their own folders.
for name in $("$1/bin/busybox" --list); do
  for folder in usr/bin usr/sbin; do
    if [ -e "$1/$folder/$name" ] || [ -L "$1/$folder/$name" ]; then
      continue 2
    fi
  done
  ln -s ../../bin/busybox "$1/usr/local/bin/$name"
done

# They came with packages and lists, and with the owner those had.
chown root:root "$1/var/cache/apt/archives" "$1/var/lib/apt/lists"
# What the making left behind; mmdebstrap clears apt's lists and archives after this.
find "$1/var/log" -type f -exec truncate --size=0 {} +
rm -f "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old
