#!/usr/bin/env bash
# Builds guests/linux against the headers of a Debian kernel that fetch-debian.sh has unpacked, with the compiler that came
# with them: whatever this system is, only make, a shell and coreutils are its own.
#
#   test/live/build-driver.sh DIR SUITE TARGET [MAKE-VARIABLE...]
#
# DIR: as for fetch-debian.sh; SUITE: trixie or bookworm; TARGET: the module to write; variables: CDNA_ATTACK=1.
# Exit code 0: TARGET is there. 75: no headers or no make here. 1: the driver does not build.
set -u
dir=$(cd "$1" 2>/dev/null && pwd) || { echo "build-driver: $1 is no folder" >&2; exit 75; }
suite=$2 target=$3; shift 3
top=$(cd "$(dirname "$0")/../.." && pwd)
root=$dir/headers-$suite
output=$(ls -d "$root"/usr/src/linux-headers-*-cloud-amd64 2>/dev/null | head -1)
common=$(ls -d "$root"/usr/src/linux-headers-*-common 2>/dev/null | head -1)
[ -n "$output" ] && [ -n "$common" ] || { echo "build-driver: no headers of $suite in $dir; test/live/fetch-debian.sh $dir headers fetches them" >&2; exit 75; }
command -v make >/dev/null || { echo "build-driver: no make here" >&2; exit 75; }

loader=$(ls "$root"/usr/lib64/ld-linux-x86-64.so.2 "$root"/lib64/ld-linux-x86-64.so.2 "$root"/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 2>/dev/null | head -1)
libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu/libfakeroot
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/source"

# The programs of another release run with the loader and the libraries of that release, not with this system's.
wrapper() { # PATH NAME PROGRAM [OPTION...]: NAME is what the program takes itself for
  local path=$1 name=$2 program=$3; shift 3
  printf '#!/bin/sh\nexec "%s" --argv0 "%s" --library-path "%s" "%s" %s "$@"\n' \
    "$loader" "$name" "$libraries" "$program" "$*" > "$path"
  chmod +x "$path"
}
gcc=$(ls "$root"/usr/bin/x86_64-linux-gnu-gcc-[0-9]* 2>/dev/null | head -1)
[ -n "$gcc" ] && [ -n "$loader" ] || { echo "build-driver: no compiler in $root" >&2; exit 75; }
wrapper "$work/bin/cc" "$gcc" "$gcc" "-wrapper '$loader,--library-path,$libraries' '-B$root/usr/bin/x86_64-linux-gnu-'"
for name in ld ar nm objcopy objdump strip readelf; do
  wrapper "$work/bin/$name" "$name" "$root/usr/bin/x86_64-linux-gnu-$name"
  ln -s "$name" "$work/bin/x86_64-linux-gnu-$name"
done
[ -e "$root/usr/bin/pahole" ] && wrapper "$work/bin/pahole" pahole "$root/usr/bin/pahole"

# The kernel's own helpers are programs of that release too: they are wrapped where they lie, once, and by one of us.
exec 9>"$root/.wrapping"
flock 9
find "$root"/usr/lib/linux-kbuild-* -type f -perm -100 ! -name '*.elf' 2>/dev/null | while read -r program; do
  [ "$(head -c 4 "$program" | od -An -c | tr -d ' ')" = '177ELF' ] || continue
  mv "$program" "$program.elf" && wrapper "$program" "$program" "$program.elf"
done
exec 9>&-

cp "$top"/guests/linux/*.[ch] "$top"/guests/linux/Makefile "$work/source/" || exit 1
PATH=$work/bin:$PATH make -s -C "$common" "O=$output" "M=$work/source" "CC=$work/bin/cc" "$@" modules >&2 || exit 1
cp "$work"/source/*.ko "$target"
