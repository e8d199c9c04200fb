#!/bin/sh
# Builds stream.run, an image that holds one static program: build.sh [OUTPUT.run [RUNDLE-OPTION...]]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
output=${1:-stream.run}
[ $# -eq 0 ] || shift

if [ ! -e "$repository/dist/cli.js" ] || [ ! -d "$repository/dist/launchers" ]; then
  sh "$repository/examples/setup.sh"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

mkdir "$work/rootfs"
# The last option keeps the copy loop a loop: a call of memcpy would be another measurement.
"${CC:-musl-gcc}" -std=gnu11 -O3 -Wall -Wextra -static -fno-tree-loop-distribute-patterns \
  -o "$work/rootfs/stream" "$here/stream.c" -lm

node "$repository/dist/cli.js" build "dir:$work/rootfs" -o "$output" --force \
  --entrypoint /stream --desc 'Memory bandwidth: copy, scale, add, triad' "$@"
