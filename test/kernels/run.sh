#!/bin/sh
# What `npm run test:kernels` runs: the whole table of kernels, emulated where this machine cannot run them faster.
# Further arguments go to vitest. Nothing of it needs root but the packages that set-up installs.
set -eu
cd "$(dirname "$0")/../.."

sh test/setup.sh test kernels
npm run --silent build
sh stub/build.sh --all
RUNDLE_TEST_KERNELS=all exec node_modules/.bin/vitest run "$@" test/kernels
