#!/bin/sh
# Makes the image's file tree as a tar file with mmdebstrap: image.sh OUTPUT.tar
# Debian 12 with Python, NumPy and OpenBLAS, nothing recommended. An ordinary user can do this too.
set -eu
output=$1
temporary=$(mktemp "$output.XXXXXX")
trap 'rm -f "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

mmdebstrap --quiet --variant=minbase --format=tar \
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
  --include=python3-numpy,libopenblas0-pthread \
  bookworm - >"$temporary"
chmod 0644 "$temporary"
mv "$temporary" "$output"
