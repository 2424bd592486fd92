#!/bin/bash
# The one command of Auk. Installs what tools/packages.txt names, builds the host tool
# (tools/auk) when its sources changed, and hands over to it.
set -euo pipefail

AUK_ROOT=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
export AUK_ROOT
out=$AUK_ROOT/build/tools
tool=$out/auk/auk
packages=$AUK_ROOT/tools/packages.txt

die() { echo "auk: $*" >&2; exit 2; }

# Prints the packages of the list that are not installed.
missing_packages() {
  local want
  mapfile -t want < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$packages")
  # dpkg-query fails for names it has never heard of: its standard output is all that counts.
  comm -23 <(printf '%s\n' "${want[@]}" | sort -u) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${want[@]}" 2>/dev/null |
      sed -n 's/^installed //p' | sort -u)
}

# apt-get with the waiting and the silence a script needs; its output is kept for the message.
apt_get() {
  local as_root=()
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || die "not root and no sudo: cannot install packages"
    as_root=(sudo)
  fi
  local try
  for try in {1..30}; do
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
      "$@" </dev/null >"$out/apt.log" 2>&1 && return 0
    # The lock of the package lists does not know the time-out above.
    grep -q 'Could not get lock' "$out/apt.log" || return 1
    sleep 10
  done
  return 1
}

install_packages() {
  local want updated=
  if ! command -v dpkg-query >/dev/null; then
    echo "auk: not a Debian system: the packages of tools/packages.txt must be there already" >&2
    return
  fi
  mapfile -t want < <(missing_packages)
  [[ ${#want[@]} -eq 0 ]] && return
  echo "auk: installing ${want[*]}" >&2
  if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
    apt_get update || { tail -n 5 "$out/apt.log" >&2; die "apt-get update failed"; }
    updated=1
  fi
  if ! apt_get install --no-install-recommends "${want[@]}"; then
    # Old lists name package versions that the mirror no longer has.
    if [[ -n $updated ]] || ! apt_get update ||
      ! apt_get install --no-install-recommends "${want[@]}"; then
      tail -n 5 "$out/apt.log" >&2
      die "cannot install: ${want[*]} (full output: $out/apt.log)"
    fi
  fi
}

# True if nothing was installed or removed, and the list not edited, since the last look.
packages_fresh() {
  [[ $out/packages.stamp -nt $packages && ! /var/lib/dpkg/status -nt $out/packages.stamp ]]
}

tool_fresh() {
  [[ -x $tool && -e $out/tool.stamp ]] &&
    [[ -z $(find "$AUK_ROOT/tools/auk" -newer "$out/tool.stamp" -print -quit) ]]
}

build_tool() {
  # The stamp is as old as the start of the build, so an edit made meanwhile is seen next time.
  touch "$out/tool.stamp.new"
  {
    [[ -e $out/auk/build.ninja ]] ||
      cmake -S "$AUK_ROOT/tools/auk" -B "$out/auk" -G Ninja -DCMAKE_BUILD_TYPE=None
    ninja -C "$out/auk"
  } >"$out/build.log" 2>&1 || {
    grep -E 'error:|CMake Error' -A 4 "$out/build.log" | head -n 40 >&2
    die "the host tool does not build (full output: $out/build.log)"
  }
  mv "$out/tool.stamp.new" "$out/tool.stamp"
}

if ! packages_fresh || ! tool_fresh; then
  mkdir -p "$out"
  # One at a time: several commands may be started at once in a fresh tree.
  exec 9>"$out/lock"
  flock 9
  if ! packages_fresh; then
    install_packages
    touch "$out/packages.stamp"
  fi
  tool_fresh || build_tool
  exec 9>&-
fi
exec "$tool" "$@"
