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
    [ -n "${CHROMIUM:-}" ] || command -v chromium-headless-shell chromium chromium-browser google-chrome >/dev/null
}

# Chromium without its windows: the same engine at half the processor time. Debian has it apart.
have_the_shell() {
    [ -n "${CHROMIUM:-}" ] || command -v chromium-headless-shell >/dev/null
}

can_install() {
    { command -v apt-get && as_root true; } >/dev/null 2>&1
}

install() {
    say "Installing $* for the tests ..."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" >&2
}

find_missing() {
    missing=()
    have_postgresql || missing+=(postgresql)
    have_chromium || missing+=(chromium)
    command -v openssl >/dev/null || missing+=(openssl)
}

find_missing
[ ${#missing[@]} = 0 ] && have_the_shell && exit 0

if can_install; then
    as_root apt-get update -q -o Acquire::http::Timeout=20 >&2 || say "The list of packages could not be renewed; going on with the one at hand."
    have_the_shell || install chromium-headless-shell || say "Without it the browser tests take longer."
    find_missing
    [ ${#missing[@]} = 0 ] || install "${missing[@]}"
    exit 0
fi

[ ${#missing[@]} = 0 ] && exit 0

say "The tests need what isn't here: ${missing[*]}."
say "  PostgreSQL 15 or later: your system's package, or set TEST_DATABASE_URL to a server of your own whose role may"
say "  create databases, as in TEST_DATABASE_URL=postgresql://me:secret@127.0.0.1/postgres"
say "  Chromium: your system's package, or set CHROMIUM to its path."
say "  openssl: your system's package."
exit 1
