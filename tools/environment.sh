#!/usr/bin/env bash
# Makes .venv with the locked packages of requirements/NAME.txt (runtime or dev), if it isn't there yet.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=${1:-runtime}
lock=requirements/$wanted.txt

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

find_python() {
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "Python 3.11, 3.12 or 3.13 is needed, and none was found (PYTHON=${PYTHON:-not set})."
    say "On Debian: apt-get install python3 python3-venv. Elsewhere: see your system's packages, then run make again,"
    say "as in: make run PYTHON=/path/to/python3.12"
    exit 1
}

fits_already() {
    [ -x .venv/bin/python ] || return 1
    # The full environment serves for running as well.
    for name in dev "$wanted"; do
        [ -f ".venv/.locked-$name" ] && cmp -s "requirements/$name.txt" ".venv/.locked-$name" && return 0
    done
    return 1
}

fits_already && exit 0

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(find_python)
    say "Making .venv with $("$python" --version) ..."
    rm -rf .venv
    if ! "$python" -m venv .venv 2>/dev/null; then
        rm -rf .venv
        version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if command -v apt-get >/dev/null && as_root env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -q && apt-get install -qy $version python3-venv" >&2; then
            "$python" -m venv .venv
        else
            say "This Python can't make environments (no venv). On Debian: apt-get install $version"
            exit 1
        fi
    fi
fi
say "Installing the locked packages of $lock ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
cp "$lock" ".venv/.locked-$wanted"
