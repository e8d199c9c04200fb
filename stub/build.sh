#!/bin/sh
# Builds the launchers into dist/launchers/ and PRoot into dist/auxiliary/: build.sh [--all]
# This machine's launcher must build. The other architecture's needs a cross compiler and packages from the network, as
# PRoot needs its source; where they cannot be had that is said, and it is an error only with --all.
set -eu
cd "$(dirname "$0")"

case $(uname -m) in
  x86_64 | aarch64) host=$(uname -m) ;;
  *)
    echo "There is no launcher for $(uname -m); rundle has them for x86_64 and aarch64." >&2
    exit 1
    ;;
esac

# One line for each launcher; what goes wrong comes on standard error.
build() {
  echo "Building the launcher for $1 ..."
  make -s -j"$(nproc 2>/dev/null || echo 1)" "ARCH=$1" >/dev/null
}

missing=no
build_proot() {
  echo "Building PRoot for $1 ..."
  sh proot/build.sh "$1" || missing=yes
}

build "$host"
build_proot "$host"

if [ "$host" = x86_64 ]; then
  if ! command -v aarch64-linux-gnu-gcc >/dev/null; then
    reason='aarch64-linux-gnu-gcc (package gcc-aarch64-linux-gnu) is missing'
  elif build aarch64; then
    reason=
    build_proot aarch64
  else
    reason='its build failed, see above'
  fi
  if [ -n "$reason" ]; then
    missing=yes
    echo "No launcher for aarch64: $reason. Bundles for x86_64 are not concerned." >&2
  fi
fi
[ $missing = no ] || [ "${1-}" != --all ]
