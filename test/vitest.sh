#!/bin/sh
# Runs the tests as root, from a place where the second user of the tests can reach them.
#
# That user starts programs of this clone and Node itself, which often lie in a home directory that is closed to
# others. Then both are shown under /tmp as well, in a mount namespace that ends with the tests.
set -eu
cd "$(dirname "$0")/.."

other_user() {
  setpriv --reuid 12345 --regid 12345 --clear-groups "$@"
}

node=$(node -p process.execPath)
if [ -n "${TMPDIR-}" ] && ! other_user test -w "$TMPDIR"; then
  unset TMPDIR
fi

if other_user test -r "$PWD/package.json" && other_user test -x "$node"; then
  exec node_modules/.bin/vitest run "$@"
fi

stage=$(mktemp -d /tmp/rundle-stage-XXXXXX)
trap 'rmdir "$stage/rundle" "$stage/node" "$stage"' EXIT
trap 'exit 1' HUP INT TERM
chmod 0755 "$stage"
mkdir "$stage/rundle" "$stage/node"

# shellcheck disable=SC2016 # the inner shell expands these
unshare --mount --propagation private sh -euc '
  stage=$1
  mount --bind "$2" "$stage/node"
  mount --bind "$PWD" "$stage/rundle"
  shift 2
  cd "$stage/rundle"
  PATH=$stage/node/bin:$PATH
  exec node_modules/.bin/vitest run "$@"
' sh "$stage" "$(dirname "$(dirname "$node")")" "$@"
