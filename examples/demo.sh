#!/bin/sh
# What `npm run demo` does: sets rundle up, makes stream.run of examples/stream and runs it.
set -eu
cd "$(dirname "$0")/.."

sh examples/setup.sh
sh examples/stream/build.sh stream.run
printf '\n$ ./stream.run\n'
./stream.run
printf '\n%s is the whole image in one file (%s bytes). Copy it to any Linux machine and run it there.\n' \
  "$PWD/stream.run" "$(wc -c <stream.run)"
