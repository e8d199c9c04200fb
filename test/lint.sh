#!/bin/sh
# Lints what the repository tracks or is about to track: TypeScript (biome), shell (shellcheck), C (clang-format).
set -eu
cd "$(dirname "$0")/.."

npx --no-install biome check --error-on-warnings src test ./*.json ./*.ts

# Files by name, from git where there is one (a tarball has none): build outputs are not linted.
list() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard -- "$@"
  else
    for pattern; do
      find . \( -name node_modules -o -name dist -o -name build -o -name .cache \) -prune -o \
        -type f -name "${pattern##*/}" -print0
    done
  fi
}

list '*.sh' '.ci/run' 'examples/*/rc' | xargs -0 -r shellcheck
list '*.c' '*.h' | xargs -0 -r clang-format --dry-run --Werror
