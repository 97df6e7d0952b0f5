#!/usr/bin/env bash
# Makes .venv with the locked packages of requirements/NAME.txt (runtime or dev), unless it is there already: NAME first,
# and then the folder, if it is another one than .venv.
# PYTHON names the interpreter; without it, the system's own, or the newest of 3.13, 3.12 and 3.11 that is found.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=${1:-runtime}
venv=${2:-.venv}
lock=requirements/$wanted.txt

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Prints the path of the interpreter itself, as the name may stand for a switch between several. The system's own comes first,
# if it can make environments: distributions build theirs to be fast, which takes longer than whoever builds one at home waits.
find_python() {
    local candidate own=/usr/bin/python3
    "$own" -c 'import ensurepip, venv' 2>/dev/null || own=
    for candidate in ${PYTHON:-$own python3.13 python3.12 python3.11 python3}; do
        "$candidate" -c 'import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13): sys.exit(1)
print(sys.executable)' 2>/dev/null && return
    done
    if [ -n "${PYTHON:-}" ]; then
        say "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13, which this program needs."
    else
        say "Python 3.11, 3.12 or 3.13 is needed, and none of them was found."
    fi
    say "On Debian 12 or later: apt-get install python3 python3-venv. Elsewhere: your system's packages."
    say "Then name it, if it isn't found by itself: make run PYTHON=/path/to/python3.12"
    return 1
}

fits() {
    local folder interpreter
    "$venv/bin/python" -c 'import pip' 2>/dev/null || return 1
    { read -r folder && read -r interpreter; } 2>/dev/null < "$venv/.made-in-with" || return 1
    # A moved folder breaks its commands. Whoever names an interpreter gets it; else the one that was right once is.
    [ "$folder" = "$PWD" ] && [ "${python:-$interpreter}" = "$interpreter" ]
}

has_locked_packages() {
    # The packages for development contain those of the runtime.
    cmp -s requirements/dev.txt "$venv/.locked-dev" || cmp -s "$lock" "$venv/.locked-$wanted"
}

make_environment() {
    local version
    [ -n "$python" ] || python=$(find_python)
    say "Making $venv with $("$python" --version) ..."
    rm -rf "$venv"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        say "This Python lacks venv, which Debian has in a package of its own: $version."
        if ! { command -v apt-get && as_root true; } >/dev/null 2>&1; then
            say "Install it (as root: apt-get install $version), then run make again."
            return 1
        fi
        as_root apt-get update -q >&2
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy "$version" >&2
    fi
    "$python" -m venv "$venv"
    printf '%s\n' "$PWD" "$python" > "$venv/.made-in-with"
}

python=
if [ -n "${PYTHON:-}" ]; then
    python=$(find_python)
fi
fits || make_environment
if ! has_locked_packages; then
    say "Installing the packages of $lock ..."
    rm -f "$venv"/.locked-*
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    cp "$lock" "$venv/.locked-$wanted"
fi
