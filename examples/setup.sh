#!/bin/sh
# Sets rundle up in a clone: what the launcher needs, the builder, the launcher. setup.sh [SET...]
# Each SET is a set of Debian packages in test/packages.txt.
set -eu
cd "$(dirname "$0")/.."
sh test/setup.sh launcher "$@"
npm run --silent build
sh stub/build.sh
