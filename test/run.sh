#!/bin/sh
# What `npm test` runs: set-up, build, lint, types, tests. Further arguments go to vitest.
set -eu
cd "$(dirname "$0")/.."

sh test/setup.sh test

# Mounts, foreign owners and a second user need root; an ordinary user's run borrows it for the tests alone.
if [ "$(id -u)" -eq 0 ]; then
  as_root=
elif sudo -n true 2>/dev/null; then
  as_root='sudo -n'
else
  echo 'The tests make mounts and act as a second user: run them as root, or where sudo -n works.' >&2
  exit 1
fi

npm run --silent build
sh stub/build.sh --all
sh test/lint.sh
npx --no-install tsc -p tsconfig.test.json

status=0
# Unquoted on purpose: nothing, or sudo and its option.
# shellcheck disable=SC2086
$as_root env "PATH=$PATH" "HOME=$HOME" sh test/vitest.sh "$@" || status=$?
if [ -n "$as_root" ]; then
  $as_root find .cache dist stub/build node_modules -user 0 -exec chown -h "$(id -u):$(id -g)" {} + 2>/dev/null || true
fi
exit "$status"
