#!/usr/bin/env bash
# run.sh address|thread BUILD_DIR CC [CXX]
#
# Builds the library and every C and C++ test with AddressSanitizer (and LeakSanitizer) or ThreadSanitizer and runs the tests. First it
# shows that the instrumentation is in the library, and that the tool finds a seeded bug (seeded_*.c) that goes through it.
#
# The runtime is the Rust toolchain's own, linked whole; the C compiler only instruments. Exit status: 77 where the toolchain
# has none. DMF_TEST_SCALE says how many rounds the stress tests do (0.15 by default); DMF_TEST_FILTER, a pattern, which tests run.
set -euo pipefail

kind=$1
build_dir=$2/sanitizers/$1
cc=$3
cxx=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=x86_64-unknown-linux-gnu

case $kind in
    address) runtime=asan symbol=__asan_load8 report="AddressSanitizer: heap-use-after-free" ;;
    thread) runtime=tsan symbol=__tsan_func_entry report="ThreadSanitizer: data race" ;;
    *) echo "usage: run.sh address|thread BUILD_DIR CC" >&2; exit 2 ;;
esac

runtime=$(rustc --print sysroot)/lib/rustlib/$target/lib/librustc-stable_rt.$runtime.a
if [ "$(uname -m)" != x86_64 ] || [ ! -e "$runtime" ]; then
    echo "skipped: this toolchain has no $kind sanitizer"
    exit 77
fi

# ---- build

mkdir -p "$build_dir"
cd "$root"
echo "== the library, with the $kind sanitizer"
# The sanitizers of a stable compiler are behind this switch. Link-time optimisation would drop what is linked whole.
RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$build_dir/cargo CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    RUSTFLAGS="-Zsanitizer=$kind -Cunsafe-allow-abi-mismatch=sanitizer" \
    cargo rustc --quiet --lib --crate-type staticlib --release --target "$target"
library=$build_dir/cargo/$target/release/libdmf.a

# Both in one pipe would end nm early, and the script with it.
nm "$library" > "$build_dir/symbols" 2> /dev/null
calls=$(grep -c "U ${symbol%load8}" "$build_dir/symbols" || true)
[ "$calls" -gt 0 ] || { echo "the library is not instrumented: nothing in it calls $symbol" >&2; exit 1; }
echo "instrumented: $calls undefined references to ${symbol%load8}… in the library's objects"

# build_program SOURCE NAME: into the build folder.
build_program() {
    local name=$2 compiler=("$cc" -std=gnu11)
    case $1 in
        *.cpp) compiler=("$cxx" -std=c++17) ;;
    esac
    "${compiler[@]}" -O1 -g -fPIC -fno-omit-frame-pointer "-fsanitize=$kind" -Iinclude -Itests/c -c "$1" -o "$build_dir/$name.o"
    "$cc" "$build_dir/$name.o" "$library" -Wl,--whole-archive "$runtime" -Wl,--no-whole-archive \
        -lstdc++ -lpthread -ldl -lm -lrt -o "$build_dir/$name"
}

export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1
export TSAN_OPTIONS=allocator_may_return_null=1
export DMF_TEST_SCALE=${DMF_TEST_SCALE:-0.15}

# ---- the tool finds what is there to be found

build_program "tests/sanitizers/seeded_$kind.c" "seeded_$kind"
if "$build_dir/seeded_$kind" > "$build_dir/seeded.log" 2>&1; then
    echo "the seeded bug was not found" >&2
    exit 1
fi
grep -q "$report" "$build_dir/seeded.log" || { cat "$build_dir/seeded.log" >&2; echo "the seeded bug failed otherwise" >&2; exit 1; }
echo "the seeded bug was found: $(grep -m 1 -o "$report" "$build_dir/seeded.log")"

# ---- the tests

sources=(tests/c/*${DMF_TEST_FILTER:-}*.c)
[ -z "$cxx" ] || sources+=(tests/cpp/*${DMF_TEST_FILTER:-}*.cpp)
failed=()
for source in "${sources[@]}"; do
    [ -e "$source" ] || continue
    name=$(basename "${source%.*}")
    [ "${source##*.}" = c ] || name=cpp.$name
    build_program "$source" "$name"
    if "$build_dir/$name" > "$build_dir/$name.log" 2>&1; then
        echo "ok     $name: $(tail -n 1 "$build_dir/$name.log")"
    else
        echo "FAILED $name"
        tail -n 60 "$build_dir/$name.log"
        failed+=("$name")
    fi
done

[ ${#failed[@]} = 0 ] || { echo "failed with the $kind sanitizer: ${failed[*]}" >&2; exit 1; }
