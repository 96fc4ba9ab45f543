#!/usr/bin/env bash
# Unpacks QEMU, kernels, headers and the programs of a test guest from Debian's packages into a folder, beside the
# system: nothing is installed and no root is needed. What is there already is kept.
#
#   test/live/fetch-debian.sh [DIR] [PART...]      DIR: default .cache/guests;  PART: qemu guest kernel headers
#
# Exit code 0: everything asked for is there. 75: the archive cannot be reached (or lacks a package).
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
dir=${1:-$top/.cache/guests}
[ $# -gt 0 ] && shift
parts=${*:-qemu guest kernel}
mirror=${CDNA_DEBIAN_MIRROR:-$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)}
mirror=${mirror:-http://deb.debian.org/debian}
keys=/usr/share/keyrings/debian-archive-keyring.gpg

unreachable() { echo "fetch-debian: $1" >&2; exit 75; }
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || unreachable "no apt-get and dpkg-deb here"
mkdir -p "$dir" || exit 1
dir=$(cd "$dir" && pwd)

# Set where packages of another release go before those of the suite.
release=

# An apt of its own for each suite: lists, cache, and an empty list of installed packages.
apt_in() { # SUITE COMMAND...
  local suite=$1 state=$dir/.apt/$1; shift
  apt-get -qq -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
    -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o APT::Install-Recommends=false -o APT::Get::AllowUnauthenticated=false -o Debug::NoLocking=1 \
    ${release:+-o APT::Default-Release="$release"} -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=5 -o Acquire::http::Timeout=30 -o Acquire::Languages=none "$@"
}

lists() { # SUITE: brings the lists of a suite, once
  local suite=$1 state=$dir/.apt/$1 try
  [ -f "$state/done" ] && return 0
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  : > "$state/status"
  echo "deb [signed-by=$keys] $mirror $suite main" > "$state/sources.list"
  [ "$suite" = trixie ] && echo "deb [signed-by=$keys] $mirror trixie-backports main" >> "$state/sources.list"
  for try in 1 2 3 4; do
    apt_update "$suite" && { touch "$state/done"; return 0; }
    sleep $((try * 3))
  done
  unreachable "the lists of $suite cannot be fetched from the archive"
}
apt_update() { apt_in "$1" update -o APT::Update::Error-Mode=any; }

unpack() { # SUITE TARGET PACKAGE...: packages with all that they depend on
  local suite=$1 target=$dir/$2 archives=$dir/.apt/$1/cache/archives try; shift 2
  lists "$suite"
  rm -f "$archives"/*.deb
  for try in 1 2 3 4 5; do
    apt_in "$suite" --yes --download-only install "$@" && break
    [ "$try" = 5 ] && unreachable "cannot fetch $*"
    sleep $((try * 3))
  done
  rm -rf "$target.partial"; mkdir -p "$target.partial"
  for deb in "$archives"/*.deb; do dpkg-deb -x "$deb" "$target.partial" || exit 1; done
  rm -f "$archives"/*.deb
  rm -rf "$target"; mv "$target.partial" "$target"
}

only() { # SUITE TARGET PACKAGE...: packages without what they depend on
  local suite=$1 target=$dir/$2 work=$dir/.apt/$1/download try; shift 2
  lists "$suite"
  rm -rf "$work"; mkdir -p "$work"
  for try in 1 2 3 4 5; do
    (cd "$work" && apt_in "$suite" download "$@") && break
    [ "$try" = 5 ] && unreachable "cannot fetch $*"
    sleep $((try * 3))
  done
  rm -rf "$target.partial"; mkdir -p "$target.partial"
  for deb in "$work"/*.deb; do dpkg-deb -x "$deb" "$target.partial" || exit 1; done
  rm -rf "$work" "$target"; mv "$target.partial" "$target"
}

# The newest kernel of a suite, e.g. 6.12.48+deb13-cloud-amd64.
kernel_of() {
  lists "$1"
  apt-cache -o Dir::State="$dir/.apt/$1" -o Dir::Cache="$dir/.apt/$1/cache" -o Dir::State::status="$dir/.apt/$1/status" \
    -o Dir::Etc::sourcelist="$dir/.apt/$1/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    depends linux-image-cloud-amd64 | sed -n 's/.*Depends: linux-image-//p' | head -1
}

# A program that starts the QEMU that was unpacked, with its own libraries and firmware.
launcher() {
  mkdir -p "$dir/bin"
  cat > "$dir/bin/qemu-system-x86_64" <<'END'
#!/bin/sh
qemu=$(cd "$(dirname "$0")/../qemu" && pwd) || exit 1
exec "$qemu/usr/lib64/ld-linux-x86-64.so.2" --library-path "$qemu/usr/lib/x86_64-linux-gnu" \
  "$qemu/usr/bin/qemu-system-x86_64" -L "$qemu/usr/share/qemu" -L "$qemu/usr/share/seabios" "$@"
END
  chmod +x "$dir/bin/qemu-system-x86_64"
}

for part in $parts; do
  case $part in
    qemu) [ -x "$dir/qemu/usr/bin/qemu-system-x86_64" ] || { release=trixie-backports; unpack trixie qemu qemu-system-x86; release=; }
      launcher ;;
    guest) [ -e "$dir/guest/usr/bin/iperf3" ] || unpack trixie guest iperf3 ethtool busybox-static ;;
    kernel) for suite in trixie bookworm; do [ -d "$dir/kernel-$suite/boot" ] || only "$suite" "kernel-$suite" "linux-image-$(kernel_of "$suite")"; done ;;
    headers) for suite in trixie bookworm; do [ -d "$dir/headers-$suite/usr/src" ] || unpack "$suite" "headers-$suite" "linux-headers-$(kernel_of "$suite")"; done ;;
    *) echo "fetch-debian: part is \"$part\", expected qemu, guest, kernel or headers" >&2; exit 2 ;;
  esac
done
