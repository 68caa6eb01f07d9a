#!/bin/sh
# Installs what is missing, and nothing where nothing is: `install.sh demo` a Redis server, `install.sh test` also what
# the tests use. Knows apt-get, dnf, apk and brew; uses sudo when it is not root.
set -eu
cd "$(dirname "$0")/.."

missing=
need() { command -v "$1" > /dev/null 2>&1 || missing="$missing $2"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

package() { # the package manager's name for what we call $1
    case "$manager:$1" in
        apt-get:redis) echo redis-server ;;
        apt-get:c-compiler) echo gcc libc6-dev ;;
        apt-get:postgres) echo postgresql ;;
        dnf:postgres) echo postgresql-server ;;
        apk:postgres) echo postgresql ;;
        brew:postgres) echo postgresql ;;
        apt-get:script) echo bsdutils ;;
        apt-get:poppler | dnf:poppler | apk:poppler) echo poppler-utils ;;
        dnf:redis) echo redis ;;
        dnf:script) echo util-linux-script ;;
        dnf:python-pip | dnf:python) echo "python3-pip python3" ;;
        apk:redis) echo redis ;;
        apk:script) echo util-linux-misc ;;
        apk:python-pip) echo py3-pip ;;
        apk:c-compiler) echo gcc musl-dev ;;
        brew:python | brew:python-pip) echo python3 ;;
        *:c-compiler) echo gcc ;;
        *:python) echo python3 ;;
        *:python-pip) echo python3-pip ;;
        *) echo "$1" ;;
    esac
}

install() {
    [ -n "$*" ] || return 0
    manager=
    for known in apt-get dnf apk brew; do
        if command -v "$known" > /dev/null 2>&1; then manager=$known; break; fi
    done
    [ -n "$manager" ] || { echo "install these by hand, no known package manager is here: $*" >&2; exit 1; }
    names=
    for word in "$@"; do names="$names $(package "$word")"; done
    echo "installing$names" >&2
    # shellcheck disable=SC2086
    case "$manager" in
        apt-get)
            as_root apt-get update -qq < /dev/null
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $names < /dev/null
            ;;
        dnf) as_root dnf install -y -q $names < /dev/null ;;
        apk) as_root apk add -q $names < /dev/null ;;
        brew) brew install -q $names < /dev/null ;;
    esac
}

# valkey-server serves as well as redis-server.
command -v valkey-server > /dev/null 2>&1 && [ "$1" = demo ] || need redis-server redis
command -v cc > /dev/null 2>&1 || need gcc c-compiler

if [ "$1" = test ]; then
    need openssl openssl
    # Debian keeps its programs out of the path.
    ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || need initdb postgres
    need python3 python
    need pdftotext poppler
    need bash bash
    [ "$(uname)" != Linux ] || { need strace strace; need setpriv util-linux; need script script; }
fi
# shellcheck disable=SC2086
install $missing

# An SMTP server and an object store that are not ours, as peers of the tests, and a maker of requests for the REST API.
if [ "$1" = test ]; then
    modules=target/python
    if ! PYTHONPATH="$modules" python3 -c 'import aiosmtpd, moto.server, schemathesis' > /dev/null 2>&1; then
        python3 -m pip --version > /dev/null 2>&1 || install python-pip
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$modules" aiosmtpd "moto[server]" "schemathesis>=4,<5"
    fi
fi
