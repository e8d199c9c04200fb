#!/bin/sh
# Unpacks packages of a release of Debian or Ubuntu: packages.sh RELEASE ARCHITECTURE DIRECTORY PACKAGE...
# A package `linux-image-*` stands for the kernel that it depends on, with its modules. DIRECTORY appears complete or
# not at all; its file `packages` has what is in it, `NAME VERSION` a line.
# apt works with Debian's mirror and keys, on a state of its own beside DIRECTORY: the system learns of no other
# release, nothing is installed, and neither root nor dpkg's database is needed. Ubuntu's key comes from Debian's package of it.
set -eu
release=$1
architecture=$2
target=$3
shift 3

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

debian=http://deb.debian.org
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
case $release in
bookworm | trixie)
  sources="deb [signed-by=$keyring] $debian/debian $release main
deb [signed-by=$keyring] $debian/debian $release-updates main
deb [signed-by=$keyring] $debian/debian-security $release-security main"
  ;;
noble)
  sh "$0" trixie amd64 "$target-keyring" ubuntu-keyring
  keyring=$(cd "$target-keyring/usr/share/keyrings" && pwd)/ubuntu-archive-keyring.gpg
  ubuntu=http://archive.ubuntu.com/ubuntu
  sources="deb [signed-by=$keyring] $ubuntu $release main
deb [signed-by=$keyring] $ubuntu $release-updates main"
  ;;
*) fail "packages.sh knows no release $release" ;;
esac

mkdir -p "$(dirname "$target")"
place=$(cd "$(dirname "$target")" && pwd)
# One at a time: a second one finds what the first has fetched.
exec 9>"$place/.lock"
flock 9
if [ -e "$target/packages" ] && [ "$(head -n 1 "$target/packages")" = "# $*" ]; then
  exit 0
fi

work=$(mktemp -d "$place/.unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
state=$place/.apt-$release-$architecture
mkdir -p "$state/lists/partial" "$state/archives/partial" "$work/root" "$work/archives"
: >"$state/status"
printf '%s\n' "$sources" >"$state/sources.list"

# apt's hooks and the unprivileged user it fetches as are for the system's own state.
cat >"$state/apt.conf" <<END
#clear APT::Architectures;
#clear APT::Update;
#clear DPkg;
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$state";
Dir::State::lists "$state/lists";
Dir::State::status "$state/status";
Dir::Cache "$state";
Dir::Cache::archives "$state/archives";
Dir::Etc::sourcelist "$state/sources.list";
Dir::Etc::sourceparts "-";
END

# kernel NAME: the packages with the kernel that the metapackage NAME depends on
kernel() {
  image=$(apt-cache -c "$state/apt.conf" depends "$1" 2>/dev/null |
    sed -n 's/^ *|\{0,1\}Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
  [ -n "$image" ] || return 1
  echo "$image"
  # Ubuntu has the modules in packages of their own.
  apt-cache -c "$state/apt.conf" depends "$image" | sed -n 's/^ *Depends: \(linux-modules-[0-9].*\)$/\1/p'
}

# Each mirror that answers will do: what counts is that the packages arrive.
apt-get -c "$state/apt.conf" -qq update >"$work/log" 2>&1 || :
packages=
for name in "$@"; do
  case $name in
  linux-image-*)
    found=$(kernel "$name") || {
      cat "$work/log" >&2
      fail "$release has no kernel package $name for $architecture, or its lists cannot be had from the mirror."
    }
    packages="$packages $found"
    ;;
  *) packages="$packages $name" ;;
  esac
done
if ! (
  cd "$work/archives"
  # shellcheck disable=SC2086 # a list
  apt-get -c "$state/apt.conf" -qq download $packages
) >>"$work/log" 2>&1; then
  cat "$work/log" >&2
  fail "The packages of $release for $architecture cannot be had from its mirror:" "$packages"
fi
echo "# $*" >"$work/root/packages"
for package in "$work"/archives/*.deb; do
  dpkg-deb -x "$package" "$work/root"
  # shellcheck disable=SC2016 # dpkg-deb expands these
  dpkg-deb -W --showformat='${Package} ${Version}\n' "$package" >>"$work/root/packages"
done
chmod 0755 "$work/root"
rm -rf "$target"
mv "$work/root" "$target"
