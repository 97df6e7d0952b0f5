#!/usr/bin/env bash
# Sees to it that PostgreSQL and Chromium are there for the tests: installs them on Debian, else says how.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

have_postgresql() { [ -n "${TEST_DATABASE_URL:-}" ] || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null; }
have_chromium() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || [ -n "${CHROMIUM:-}" ]; }

missing=()
have_postgresql || missing+=(postgresql)
have_chromium || missing+=(chromium)
[ ${#missing[@]} = 0 ] && exit 0

if command -v apt-get >/dev/null; then
    run=()
    [ "$(id -u)" = 0 ] || run=(sudo -n)
    if [ ${#run[@]} = 0 ] || sudo -n true 2>/dev/null; then
        say "Installing ${missing[*]} for the tests ..."
        # The tests start a cluster of their own; Debian's needs none.
        "${run[@]}" sh -c 'mkdir -p /etc/postgresql-common && { [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf; }'
        "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
        "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >&2
        exit 0
    fi
fi
say "The tests need: ${missing[*]}."
say "  PostgreSQL 15 or later: your system's package, or set TEST_DATABASE_URL to a server of your own whose role may"
say "  create databases, as in TEST_DATABASE_URL=postgresql://me:secret@127.0.0.1/postgres"
say "  Chromium: your system's package, or set CHROMIUM to its path."
exit 1
