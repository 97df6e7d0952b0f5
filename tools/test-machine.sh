#!/usr/bin/env bash
# Sees to it that PostgreSQL, Chromium and openssl are there for the tests: installs them on Debian, else says how to get them.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

have_postgresql() {
    [ -n "${TEST_DATABASE_URL:-}" ] || command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

have_chromium() {
    [ -n "${CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome >/dev/null
}

missing=()
have_postgresql || missing+=(postgresql)
have_chromium || missing+=(chromium)
command -v openssl >/dev/null || missing+=(openssl)
[ ${#missing[@]} = 0 ] && exit 0

if { command -v apt-get && as_root true; } >/dev/null 2>&1; then
    say "Installing ${missing[*]} for the tests ..."
    as_root apt-get update -q >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >&2
    exit 0
fi

say "The tests need what isn't here: ${missing[*]}."
say "  PostgreSQL 15 or later: your system's package, or set TEST_DATABASE_URL to a server of your own whose role may"
say "  create databases, as in TEST_DATABASE_URL=postgresql://me:secret@127.0.0.1/postgres"
say "  Chromium: your system's package, or set CHROMIUM to its path."
say "  openssl: your system's package."
exit 1
