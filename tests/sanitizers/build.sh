# build.sh: sourced by run.sh and vm.sh with the arguments address|thread BUILD_DIR CC [CXX]. Builds the instrumented library,
# and has build_program. Ends the script with 77 where the toolchain has no sanitizer.

kind=$1
build_dir=$2/sanitizers/$1
cc=$3
cxx=${4:-}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=x86_64-unknown-linux-gnu

case $kind in
    address) runtime=asan symbol=__asan_load8 ;;
    thread) runtime=tsan symbol=__tsan_func_entry ;;
    *) echo "usage: $0 address|thread BUILD_DIR CC [CXX]" >&2; exit 2 ;;
esac

runtime=$(rustc --print sysroot)/lib/rustlib/$target/lib/librustc-stable_rt.$runtime.a
if [ "$(uname -m)" != x86_64 ] || [ ! -e "$runtime" ]; then
    echo "skipped: this toolchain has no $kind sanitizer"
    exit 77
fi

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

# build_program NAME SOURCE...: into the build folder, with the sanitizer's options in it.
build_program() {
    local name=$1 source objects=() compiler
    shift
    for source in "$@" "tests/sanitizers/options_$kind.c"; do
        compiler=("$cc" -std=gnu11)
        case $source in
            *.cpp) compiler=("$cxx" -std=c++17) ;;
        esac
        objects+=("$build_dir/$name.${#objects[@]}.o")
        "${compiler[@]}" -O1 -g1 -fPIC -fno-omit-frame-pointer "-fsanitize=$kind" -Iinclude -Itests/c -c "$source" -o "${objects[-1]}"
    done
    "$cc" "${objects[@]}" "$library" -Wl,--whole-archive "$runtime" -Wl,--no-whole-archive \
        -lstdc++ -lpthread -ldl -lm -lrt -o "$build_dir/$name"
}
