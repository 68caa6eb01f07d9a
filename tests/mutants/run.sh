#!/bin/sh
# Breaks a copy of the tree, patch by patch, and shows which test notices. Fails where none does, where a patch no longer
# fits, and where it no longer builds. `run.sh [NAME...]` takes some of the patches; CARGO_FLAGS goes to every build.
#
# A patch begins with three lines: what it breaks, which promise that was, and which tests are to notice it first: a
# nextest filter, with `unit` before it where they are the library's own. Where those pass, the whole suite is asked. What the tests of tidiness and of the patches themselves say does
# not count: they look at the text, not at what it does.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd)
home=$root/target/mutants
tree=$home/tree
log=$home/log
cargo nextest --version > /dev/null 2>&1 || { echo "make mutants needs cargo-nextest: cargo install cargo-nextest" >&2; exit 1; }

# The copy holds what git knows or would know, as it is now. It builds apart from the tree, and starts from the
# dependencies that are built already. Every file is as old as the copy: what an earlier run broke is built anew.
mkdir -p "$home" "$log"
rm -rf "$tree"
mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for file; do [ ! -e "$file" ] || echo "$file"; done' sh \
    | tar -cf - -T - | tar -xmf - -C "$tree"
if [ -d target/python ]; then mkdir -p "$tree/target" && ln -s "$root/target/python" "$tree/target/python"; fi
if [ ! -d "$home/built" ] && [ -d target/debug/deps ]; then
    mkdir -p "$home/built/debug"
    cp target/CACHEDIR.TAG "$home/built/" 2> /dev/null || true
    for part in deps build .fingerprint; do
        mkdir -p "$home/built/debug/$part"
        find "target/debug/$part" -mindepth 1 -maxdepth 1 ! -name '*ireva*' ! -name 'it-*' ! -name 'tidy-*' ! -name 'mutants-*' \
            -exec cp -al {} "$home/built/debug/$part/" \;
    done
fi
export CARGO_TARGET_DIR="$home/built" GIT_CEILING_DIRECTORIES="$home"
# A model that fails is reported as it is: to look for its shortest run would take a minute.
export MODEL_SHRINK=no

# run_tests TARGETS FILTER LOG: 0 where all pass, 100 where one fails, 4 where the filter finds none.
run_tests() {
    # shellcheck disable=SC2086
    (cd "$tree" && cargo nextest run ${CARGO_FLAGS:-} $1 --fail-fast --color never \
        -E "($2) - binary(mutants) - binary(tidy)" > "$3" 2>&1) || return $?
}

header() { sed -n "1,3s/^$1: //p" "$2"; }

caught_by() {
    sed -nE 's/^ *(FAIL|TIMEOUT|ABORT|SIG[A-Z]+)[^]]*\] *(\([^)]*\) *)?(.*)$/\3/p' "$1" | sed 's/^ireva-queue:*//' | head -1
}

if [ $# -eq 0 ]; then
    set -- $(cd tests/mutants && ls *.patch | sed 's/\.patch$//')
fi
survived=0
printf '%-26s %-7s %s\n' mutant seconds 'caught by'
for name in "$@"; do
    patch=$root/tests/mutants/$name.patch
    began=$(date +%s)
    said=''
    if ! (cd "$tree" && git apply "$patch") 2> "$log/$name"; then
        said='STALE: the patch does not fit'
    else
        code=0
        tests=$(header tests "$patch")
        # Only what the tests are part of is built.
        case $tests in "unit "*) target=--lib ;; *) target='--test it' ;; esac
        run_tests "$target" "${tests#unit }" "$log/$name" || code=$?
        if [ $code -eq 0 ]; then
            echo "$name: the tests that it names pass; the whole suite is asked" >&2
            run_tests '' 'all()' "$log/$name" || code=$?
        fi
        case $code in
            0) said="NOBODY: $(header breaks "$patch") ($(header promise "$patch"))" ;;
            100) said='' ;;
            4) said='STALE: no test has the name that the patch says' ;;
            *) said='STALE: it does not build' ;;
        esac
        (cd "$tree" && git apply -R "$patch")
    fi
    [ -z "$said" ] || survived=$((survived + 1))
    printf '%-26s %-7s %s\n' "$name" "$(($(date +%s) - began))" "${said:-$(caught_by "$log/$name")}"
done
echo "$# mutants, $survived not caught; the logs are in target/mutants/log"
[ "$survived" -eq 0 ]
