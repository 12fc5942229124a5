#!/usr/bin/env bash
# A program of one file in each language streams the recording through a callback and prints the line that the C program
# prints. All know nothing but where the library is installed: languages.sh CMAKE BUILD_DIR C_COMPILER CXX_COMPILER PYTHON
set -euo pipefail
cmake=$1 build=$2 c=$3 cxx=$4 python=$5
recording=$PWD/examples-c/data/usb-mouse.hid
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1"
    exit 1
}

"$cmake" --install "$build" --prefix "$work/prefix" >"$work/log"
export PKG_CONFIG_LIBDIR LD_LIBRARY_PATH
PKG_CONFIG_LIBDIR=$(dirname "$(find "$work/prefix" -name dmf.pc)")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_LIBDIR")
# Each language's cache.
export HOME=$work GOCACHE=$work/go-cache GOFLAGS=-trimpath PYTHONDONTWRITEBYTECODE=1
unset DMF_LIBRARY

skipped=()
# says LANGUAGE TOOL COMMAND…: it prints the line of the C program; left out where the tool is not installed.
says() {
    local language=$1 tool=$2 said
    shift 2
    if ! command -v "$tool" >/dev/null; then
        echo "$language: no $tool"
        skipped+=("$language")
        return
    fi
    said=$("$@") || fail "$language: exit code $?"
    [ "$said" = "$expected" ] || fail "$language prints \"$said\", C \"$expected\""
    echo "$language: $said"
}

# shellcheck disable=SC2046  # the flags are words
"$c" -std=gnu11 -Wall -Wextra -Werror examples-c/digest.c -o "$work/c" $(pkg-config --cflags --libs dmf)
expected=$("$work/c" "$recording")
reports=$(grep -c '^E: ' "$recording")
# A digest of nothing would be the same everywhere, too.
[[ $expected =~ ^$reports\ reports\ [0-9a-f]{16}$ ]] || fail "C prints \"$expected\""
echo "C: $expected"

of_cpp() {
    # shellcheck disable=SC2046
    "$cxx" -std=c++17 examples-cpp/stream_recording.cpp -o "$work/cpp" $(pkg-config --cflags --libs dmf) -pthread
    "$work/cpp" "$recording"
}
of_python() {
    PYTHONPATH=bindings/python "$python" bindings/python/examples/stream.py "$recording"
}
of_csharp() {
    mcs -warnaserror -out:"$work/stream.exe" bindings/csharp/stream.cs
    mono "$work/stream.exe" "$recording"
}
of_go() {
    go build -o "$work/go" bindings/go/stream.go
    "$work/go" "$recording"
}
of_nim() {
    nim compile --gc:arc -d:release --hints:off --nimcache:"$work/nim-cache" --out:"$work/nim" bindings/nim/stream.nim >&2
    "$work/nim" "$recording"
}
says C++ "$cxx" of_cpp
says Python "$python" of_python
says "C#" mcs of_csharp
says Go go of_go
says Nim nim of_nim
if [ ${#skipped[@]} -gt 0 ]; then
    echo "SKIPPED: ${skipped[*]}"
    exit 77
fi
