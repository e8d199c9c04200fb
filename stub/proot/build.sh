#!/bin/sh
# Builds PRoot, the auxiliary program of the tier trace, from Debian's source package: build.sh [ARCH]
# The result is ../../dist/auxiliary/ARCH/, see pack.mjs, and beside it source/ with what its licence asks for. What was
# fetched and built stays in ../build/proot. Where it cannot be built, one line on standard error says why, and it exits 1.
# The same source gives the same bytes, wherever this directory is.
set -eu
cd "$(dirname "$0")"
arch=${1:-$(uname -m)}
stub=$(cd .. && pwd)
cache=$stub/build/proot
auxiliary=$stub/../dist/auxiliary

fail() {
  echo "No PRoot for $arch, so bundles for it come without the tier trace: $1." >&2
  exit 1
}

# The same places as in ../Makefile.
triplet=$arch-linux-gnu
options=
case $arch in
  x86_64) ;;
  # Kernels for aarch64 have pages of up to 64 KiB.
  aarch64) options='-mno-outline-atomics -Wl,-z,max-page-size=65536' ;;
  *) fail 'it is built for x86_64 and aarch64' ;;
esac
if [ "$arch" = "$(uname -m)" ]; then
  cross=
  root=
  talloc_root=
  command -v gcc >/dev/null || fail 'gcc is missing'
else
  cross=$triplet-
  root=$stub/build/sysroot-$arch
  talloc_root=$stub/build/sysroot-$arch-talloc
  command -v "${cross}gcc" >/dev/null || fail "${cross}gcc (package gcc-${cross%-}) is missing"
  sh ../sysroot-aarch64.sh "$root" || fail 'packages for it are missing'
  sh ../sysroot-aarch64.sh "$talloc_root" libtalloc-dev || fail 'a package for it is missing'
fi
musl=$root/usr/lib/$arch-linux-musl
talloc=$talloc_root/usr/lib/$triplet/libtalloc.a
[ -e "$musl/rcrt1.o" ] || fail 'musl (package musl-tools) is missing'
[ -e "$talloc" ] || fail 'libtalloc.a (package libtalloc-dev) is missing'
talloc_version=$(sed -n 's/^Version: //p' "${talloc%/*}/pkgconfig/talloc.pc")
# A header of macros that is the same everywhere; musl has none.
queue=$(echo '#include <sys/queue.h>' | gcc -E -M - | tr ' ' '\n' | grep '/sys/queue\.h$') ||
  fail 'sys/queue.h (package libc6-dev) is missing'

field() {
  sed -n 's/^ *"'"$1"'": "\(.*\)",\{0,1\}$/\1/p' source.json
}
version=$(field version)
tarball=$cache/$(field file)
[ -d "$stub/../node_modules/undici" ] || fail 'the npm packages are missing (npm ci)'
reason=$(node fetch.mjs "$tarball" 2>&1) || fail "$reason"

compile() {
  work=$(mktemp -d "$cache/.$arch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  tar -xzf "$tarball" -C "$work" --strip-components=1
  # All that is compiled and linked with is named relative to the source: no name in the result depends on where this
  # is, and blanks in it do no harm.
  mkdir -p "$work/include/sys" "$work/library"
  ln -s "$queue" "$work/include/sys/queue.h"
  ln -s "$talloc_root/usr/include/talloc.h" "$work/include/talloc.h"
  ln -s "$root/usr/include/linux" "$work/include/linux"
  ln -s "$root/usr/include/asm-generic" "$work/include/asm-generic"
  ln -s "$root/usr/include/$triplet/asm" "$work/include/asm"
  ln -s "$root/usr/include/$arch-linux-musl" "$work/musl-include"
  ln -s "$musl" "$work/musl"
  cp glibc_names.c "$work/src/glibc_names.c"
  # Nothing unwinds its stack here, as in the launcher.
  for library in "$musl/libc.a" "$talloc"; do
    "${cross}objcopy" -D --remove-section=.eh_frame "$library" "$work/library/${library##*/}"
  done

  gcc_file() {
    "${cross}gcc" "-print-file-name=$1"
  }
  # What the makefile would find out of its surroundings is given: pkg-config's answers, the version from git, SWIG,
  # and the second compiler of the loader for 32-bit programs, which is left out. Its own flags are given back.
  # The loader runs in the traced program before any C library does: no guard of the stack.
  (
    cd "$work/src" || exit 1
    includes="-nostdinc -isystem ../musl-include -isystem $(gcc_file include) -isystem ../include"
    flags="-O2 -w -fPIE -fstack-protector-strong -fno-strict-aliasing -ffunction-sections -fdata-sections \
      -fno-asynchronous-unwind-tables -fno-unwind-tables $options"
    # shellcheck disable=SC2086 # lists
    "${cross}gcc" -c $includes $flags glibc_names.c
    LOADER_CFLAGS=-fno-stack-protector make -s -j"$(nproc 2>/dev/null || echo 1)" \
      "CROSS_COMPILE=$cross" "VERSION=$version" PYTHON=false HAS_SWIG= HAS_LOADER_32BIT= \
      "CPPFLAGS=-D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE -I. -I../lib/uthash/include $includes" "CFLAGS=$flags" \
      "LDFLAGS=-static-pie -nostdlib -nostartfiles -Wl,-z,norelro -Wl,-z,common-page-size=64 -Wl,-z,noexecstack \
        -Wl,-z,noseparate-code -Wl,--gc-sections -Wl,--build-id=none $options ../musl/rcrt1.o ../musl/crti.o \
        $(gcc_file crtbeginS.o) glibc_names.o -Wl,--start-group ../library/libtalloc.a ../library/libc.a \
        $(gcc_file libgcc.a) -Wl,--end-group $(gcc_file crtendS.o) ../musl/crtn.o" \
      proot
  ) >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail 'it does not compile, see above'
  }
  "${cross}strip" -s -R .comment "$work/src/proot"
  mkdir "$work/packed"
  node pack.mjs "$work/src/proot" "$work/COPYING" "$talloc_version" "$work/packed"
  mkdir -p "$cache/$arch"
  # One after the other, so that another build that runs now always finds all of them.
  for file in COPYING src/proot packed/proot.json packed/proot.zst; do
    mv -f "$work/$file" "$cache/$arch/"
  done
}

# Anew only when something that goes into it is newer.
built=$cache/$arch/proot.zst
if [ ! -e "$built" ] ||
  [ -n "$(find . ../licenses "$tarball" "$talloc" "$musl/libc.a" -newer "$built")" ]; then
  compile
fi

# install FILE DESTINATION: it appears complete
install_file() {
  mkdir -p "$(dirname "$2")"
  install -m 0644 "$1" "$2.new.$$"
  mv "$2.new.$$" "$2"
}
install_file "$built" "$auxiliary/$arch/proot.zst"
install_file "$cache/$arch/proot.json" "$auxiliary/$arch/proot.json"
install_file "$tarball" "$auxiliary/source/${tarball##*/}"
install_file "$cache/$arch/COPYING" "$auxiliary/source/COPYING"
