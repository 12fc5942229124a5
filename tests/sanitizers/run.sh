#!/usr/bin/env bash
# run.sh address|thread BUILD_DIR CC [CXX]
#
# Builds the library and every C test, or with CXX every C++ test, with AddressSanitizer (and LeakSanitizer) or ThreadSanitizer and
# runs the tests. First it shows that the instrumentation is in the library, and that the tool finds seeded bugs (seeded_*.c) that
# go through it.
#
# The runtime is the Rust toolchain's own, linked whole; the C compiler only instruments. Exit status: 77 where the toolchain
# has none. DMF_TEST_SCALE says how many rounds the stress tests do (0.05 by default); DMF_TEST_FILTER, a pattern, which tests run.
set -euo pipefail

. "$(dirname "$0")/build.sh"

# The rest of the options is in the programs.
export ASAN_OPTIONS=quarantine_size_mb=256
export DMF_TEST_SCALE=${DMF_TEST_SCALE:-0.05}

# ---- the tool finds what is there to be found

# finds SEED WHAT: a program with a bug fails with that report.
finds() {
    build_program "seeded_$1" "tests/sanitizers/seeded_$1.c"
    if "$build_dir/seeded_$1" > "$build_dir/seeded.log" 2>&1; then
        echo "the seeded bug was not found: $2" >&2
        exit 1
    fi
    grep -q "$2" "$build_dir/seeded.log" || { cat "$build_dir/seeded.log" >&2; echo "the seeded bug failed otherwise" >&2; exit 1; }
    echo "the seeded bug was found: $(grep -m 1 -o "$2" "$build_dir/seeded.log")"
}

case $kind in
    address)
        finds address "AddressSanitizer: heap-use-after-free"
        finds leak "LeakSanitizer: detected memory leaks"
        ;;
    thread) finds thread "ThreadSanitizer: data race" ;;
esac

# ---- the tests

# Many tests wait more than they work, so two run at a time, while the next one is compiled.
failed=()
declare -A running=()
# ends PROCESS STATUS: says how the test of that process ended.
ends() {
    local name=${running[$1]}
    unset "running[$1]"
    if [ "$2" = 0 ]; then
        echo "ok     $name: $(tail -n 1 "$build_dir/$name.log")"
    else
        echo "FAILED $name"
        tail -n 60 "$build_dir/$name.log"
        failed+=("$name")
    fi
}
# until_at_most NUMBER: waits until no more tests run than that.
until_at_most() {
    local process status
    while [ ${#running[@]} -gt "$1" ]; do
        status=0
        wait -n -p process "${!running[@]}" || status=$?
        ends "$process" "$status"
    done
}
# try NAME SOURCE [ARGUMENT...]
try() {
    local name=$1 source=$2
    shift 2
    build_program "$name" "$source"
    until_at_most 1
    "$build_dir/$name" "$@" > "$build_dir/$name.log" 2>&1 &
    running[$!]=$name
}

if [ -n "$cxx" ]; then
    for source in tests/cpp/*${DMF_TEST_FILTER:-}*.cpp; do
        [ ! -e "$source" ] || try "cpp.$(basename "$source" .cpp)" "$source"
    done
else
    for source in tests/c/*${DMF_TEST_FILTER:-}*.c; do
        [ ! -e "$source" ] || try "$(basename "$source" .c)" "$source"
    done
    # Everything at once, for a moment.
    [[ soak != *${DMF_TEST_FILTER:-}* ]] || try soak tests/soak/soak.c 15
fi
until_at_most 0

[ ${#failed[@]} = 0 ] || { echo "failed with the $kind sanitizer: ${failed[*]}" >&2; exit 1; }
