#!/bin/sh
# Prints the path of the image's tar file, which it makes when it is not in .cache/ yet.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/numpy-norm
tar=$cache/debian-$(sha256sum <"$here/image.sh" | cut -c1-16).tar

mkdir -p "$cache"
(
  # Two builds at once: the second waits and finds the file.
  flock 9
  if [ ! -e "$tar" ]; then
    sh "$here/../../test/setup.sh" image >&2
    echo 'Making a Debian tree with mmdebstrap, about a minute ...' >&2
    sh "$here/image.sh" "$tar" >&2
  fi
) 9>"$cache/lock"
printf '%s\n' "$tar"
