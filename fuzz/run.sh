#!/usr/bin/env bash
# run.sh BUILD_DIR build             builds the targets
# run.sh BUILD_DIR surface           runs the seeds of `calls`; they must call every function that the library exports
# run.sh BUILD_DIR SECONDS TARGET... runs each for that long, from its seeds and from what earlier runs found
# run.sh BUILD_DIR seeds TARGET...   makes the seeds anew: what of both adds coverage, the shortest first
#
# Without cargo-fuzz: libFuzzer is in the crate libfuzzer-sys, and what cargo-fuzz adds are the flags below. What is found
# stays in BUILD_DIR/fuzz: corpus/TARGET, artifacts/TARGET (inputs that fail), TARGET.log. DMF_TEST_SCALE multiplies SECONDS.
# Exit status: 77 where the toolchain or the C++ compiler for it is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mkdir -p "$1" && cd "$1" && pwd)/fuzz
triple=x86_64-unknown-linux-gnu
binaries=$work/cargo/$triple/release
# Threads, and memory that the library asks for in vain: what is too large is refused, as the library expects it.
export ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=256:detect_leaks=1
# The line numbers of a report.
command -v llvm-symbolizer > /dev/null && export ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer)

can_build() {
    local runtime
    runtime=$(rustc --print sysroot)/lib/rustlib/$triple/lib/librustc-stable_rt.asan.a
    if [ "$(uname -m)" != x86_64 ] || [ ! -e "$runtime" ]; then
        echo "skipped: this toolchain has no address sanitizer"
        exit 77
    fi
    if ! command -v "${CXX:-c++}" > /dev/null; then
        echo "skipped: libFuzzer needs a C++ compiler"
        exit 77
    fi
}

build() {
    # The sanitizers and the counters of a stable compiler are behind this switch.
    (cd "$here" && RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/cargo RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1
            -Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer
            -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
            -Cllvm-args=-sanitizer-coverage-trace-compares" \
        cargo build --quiet --locked --release --target $triple)
}

# fuzz TARGET SECONDS
fuzz() {
    local target=$1 seconds=$2 log=$work/$1.log
    mkdir -p "$work/corpus/$target" "$work/artifacts/$target"
    echo "== $target, $seconds s"
    # -timeout: an input that takes longer hangs.
    if "$binaries/$target" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=4096 -max_len=2048 -print_final_stats=1 \
        ${FUZZ_SEED:+-seed="$FUZZ_SEED"} \
        -artifact_prefix="$work/artifacts/$target/" "$work/corpus/$target" "$here/corpus/$target" 2>&1 |
        tee "$log" | grep --line-buffered -E '^#[0-9]+.*(INITED|pulse|DONE)'; then
        awk -v target="$target" '
            /DONE/ { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1); else if ($i == "ft:") ft = $(i + 1) }
            /number_of_executed_units/ { executions = $2 }
            /average_exec_per_sec/ { rate = $2 }
            END { printf "%s: %d executions, %d exec/s, cov: %d, ft: %d\n", target, executions, rate, cov, ft }' "$log"
        return
    fi
    echo "FAILED $target"
    grep -v -E '^#[0-9]+|failed to allocate|NEW_FUNC' "$log" | tail -n 120
    local artifact
    artifact=$(grep -o "$work/artifacts/[^ ]*" "$log" | tail -n 1)
    echo "to see it again:  ASAN_OPTIONS=$ASAN_OPTIONS $binaries/$target ${artifact:-}"
    return 1
}

surface() {
    local called=$work/called
    rm -f "$called"
    DMF_FUZZ_CALLED=$called "$binaries/calls" -runs=0 -timeout=25 "$here/corpus/calls" > "$work/surface.log" 2>&1 ||
        { tail -n 60 "$work/surface.log"; return 1; }
    diff <(LC_ALL=C sort "$here/../abi/symbols.txt") <(LC_ALL=C sort "$called") ||
        { echo "FAILED: the seeds of calls do not call what is marked <" >&2; return 1; }
    echo "$(wc -l < "$called") functions, all of abi/symbols.txt"
}

# seeds TARGET
seeds() {
    local merged=$work/merged/$1
    rm -rf "$merged"
    mkdir -p "$merged" "$work/corpus/$1"
    "$binaries/$1" -set_cover_merge=1 -timeout=25 -rss_limit_mb=4096 "$merged" "$here/corpus/$1" "$work/corpus/$1" > "$work/merge.log" 2>&1 ||
        { tail -n 60 "$work/merge.log"; return 1; }
    rm -rf "$here/corpus/$1"
    mv "$merged" "$here/corpus/$1"
    echo "$1: $(ls "$here/corpus/$1" | wc -l) seeds, $(cat "$here/corpus/$1"/* | wc -c) bytes"
}

can_build
case $2 in
build | surface)
    $2
    exit
    ;;
seeds)
    for target in "${@:3}"; do seeds "$target"; done
    exit
    ;;
esac
seconds=$(awk "BEGIN { s = int($2 * ${DMF_TEST_SCALE:-1}); print s < 1 ? 1 : s }")
shift 2
failed=()
for target; do
    fuzz "$target" "$seconds" || failed+=("$target")
done
[ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
