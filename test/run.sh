#!/bin/sh
# What `npm test` runs: set-up, build, lint, types, tests. Further arguments go to vitest.
set -eu
cd "$(dirname "$0")/.."

# Mounts, foreign owners and a second user need root; an ordinary user's run borrows it for the tests alone.
if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
  sh test/setup.sh test
  echo 'The tests make mounts and act as a second user: run them as root, or where sudo -n works.' >&2
  exit 1
fi

sh test/setup.sh test
npm run --silent build
sh stub/build.sh --all
sh test/lint.sh
npx --no-install tsc -p tsconfig.test.json

if [ "$(id -u)" -eq 0 ]; then
  exec npx --no-install vitest run "$@"
fi

status=0
sudo -n env "PATH=$PATH" "HOME=$HOME" npx --no-install vitest run "$@" || status=$?
sudo -n find .cache node_modules/.vite node_modules/.vite-temp -user 0 \
  -exec chown -h "$(id -u):$(id -g)" {} + 2>/dev/null || true
exit "$status"
