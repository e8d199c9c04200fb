#!/bin/sh
# Unpacks what the aarch64 launcher is linked with from the distribution's arm64 packages, or the given ones instead:
# sysroot-aarch64.sh DIRECTORY [PACKAGE...]
# apt works with this system's mirrors and keys, but on a state of its own in a temporary directory: the system learns
# of no other architecture, and neither root nor dpkg's database is needed. DIRECTORY appears complete or not at all.
set -eu
target=$1
shift
packages=${*:-musl-dev libzstd-dev linux-libc-dev}

[ ! -e "$target/.complete" ] || exit 0
mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$(cd "$(dirname "$target")" && pwd)/.sysroot.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/root"
: >"$work/status"

# apt's hooks and the unprivileged user it fetches as are for the system's own state.
cat >"$work/apt.conf" <<END
#clear APT::Architectures;
#clear APT::Update;
#clear DPkg;
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$work";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Cache::archives "$work/archives";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
END

# Of the system's sources those of the distribution itself, for arm64; Ubuntu serves that from another host.
# shellcheck source=/dev/null
. /etc/os-release
keyring=/usr/share/keyrings/${ID-}-archive-keyring.gpg
options=arch=arm64
[ ! -e "$keyring" ] || options="$options signed-by=$keyring"
# shellcheck disable=SC2016 # apt expands these
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  sed -E 's,^https?://([a-z0-9.-]*archive|security)\.ubuntu\.com/ubuntu/? ,http://ports.ubuntu.com/ubuntu-ports ,' |
  sort -u |
  awk -v codename="${VERSION_CODENAME-}" -v options="$options" '
    $3 != "main" && $3 != "universe" { next }
    $2 != codename && index($2, codename "-") != 1 && $2 !~ /^(oldstable|stable|testing|unstable|sid)/ { next }
    { print "deb [" options "] " $1 " " $2 " " $3 }' >"$work/sources.list"

# Each mirror that answers will do: what counts is that the packages arrive.
apt-get -c "$work/apt.conf" -qq update >"$work/log" 2>&1 || :
if ! (
  cd "$work/archives"
  # shellcheck disable=SC2086 # a list
  apt-get -c "$work/apt.conf" -qq download $packages
) >>"$work/log" 2>&1; then
  cat "$work/log" >&2
  echo "The arm64 packages ($packages) cannot be had from this system's package sources." >&2
  exit 1
fi
for package in "$work"/archives/*.deb; do
  dpkg-deb -x "$package" "$work/root"
done
touch "$work/root/.complete"
chmod 0755 "$work/root"
rm -rf "$target"
mv "$work/root" "$target"
