#!/bin/sh
# Installs what the npm scripts need: setup.sh [SET...]
# npm packages always; then the Debian packages of each SET in test/packages.txt that are missing, as root or
# through `sudo -n`. Where neither works it prints the line to run and exits 1. Needs only sh, npm and dpkg.
set -eu
cd "$(dirname "$0")/.."

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

check_node() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 20 || (major === 20 && minor >= 18) ? 0 : 1)' ||
    fail "rundle needs Node 20.18.1 or later; this is $(node --version)."
}

install_npm_packages() {
  if [ -e node_modules/.package-lock.json ] &&
    [ -z "$(find package-lock.json -newer node_modules/.package-lock.json)" ]; then
    return
  fi
  echo 'Installing npm packages ...'
  npm ci --include=dev --no-audit --no-fund
  # npm keeps an older time on an up-to-date tree; the next start must not install again.
  touch node_modules/.package-lock.json
}

installed() {
  [ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" = 'install ok installed' ]
}

# packages SET: the missing packages of SET, one a line
missing_packages() {
  while read -r package sets; do
    case $package in '' | '#'*) continue ;; esac
    case ",$sets," in
      *",$1,"*) installed "$package" || echo "$package" ;;
    esac
  done <test/packages.txt
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

can_be_root() {
  [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

# apt_install PACKAGE...: the package lists are fetched once in a run
updated=no
apt_install() {
  if [ "$updated" = no ]; then
    as_root apt-get update -q || echo 'apt-get update reported errors; going on with the lists there are.' >&2
    updated=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" </dev/null
}

needed=
wanted=
for set_name in "$@"; do
  needed="$needed $(missing_packages "$set_name")"
  wanted="$wanted $(missing_packages "$set_name?")"
done
# Unquoted on purpose: package names are single words.
# shellcheck disable=SC2086
needed=$(printf '%s\n' $needed | sort -u | tr '\n' ' ')
# shellcheck disable=SC2086
wanted=$(printf '%s\n' $wanted | sort -u | tr '\n' ' ')
needed=${needed% }
wanted=${wanted% }

check_node
if [ -n "$needed" ]; then
  command -v apt-get >/dev/null ||
    fail 'This is set up with apt-get, on Debian or Ubuntu. What is missing here, by its Debian name:' "  $needed"
  can_be_root ||
    fail 'These Debian packages are missing. Install them, then run this again:' \
      "  sudo apt-get install --no-install-recommends $needed"
  # shellcheck disable=SC2086
  apt_install $needed || fail "apt-get could not install: $needed"
fi
if [ -n "$wanted" ]; then
  # shellcheck disable=SC2086
  if ! can_be_root || ! apt_install $wanted; then
    echo "Going on without: $wanted (sudo apt-get install --no-install-recommends $wanted)"
  fi
fi
install_npm_packages
