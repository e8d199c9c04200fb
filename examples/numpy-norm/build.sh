#!/bin/sh
# Builds numpy-norm.run: build.sh [OUTPUT.run [RUNDLE-OPTION...]]
# The Debian tree is made once and kept in .cache/ for the next build; a changed image.sh makes another.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
output=${1:-numpy-norm.run}
[ $# -eq 0 ] || shift

if [ ! -e "$repository/dist/cli.js" ] || [ ! -d "$repository/dist/launchers" ]; then
  sh "$repository/examples/setup.sh"
fi
tar=$(sh "$here/cached-image.sh")

node "$repository/dist/cli.js" build "tar:$tar" -o "$output" --force \
  --copy "$here/norm.py:/opt/norm.py" --rc "$here/rc" \
  --desc 'Matrix product with NumPy and OpenBLAS in GFLOPS' "$@"
