#!/usr/bin/env bash
# Does what README.md tells a newcomer, word for word, with a home folder of its own: newcomer.sh BUILD_DIR
set -euo pipefail
BUILD=$(cd "$1" && pwd)
export BUILD
cd "$(dirname "$0")/.."

# Rust stays where it is installed.
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
HOME=$(mktemp -d)
export HOME
trap 'rm -rf "$HOME"' EXIT

fail() {
    echo "FAILED: $1"
    exit 1
}

# The commands of the section, and what its program is said to print.
awk '/^## / { here = /^## A program of your own$/ } here && /^```/ { on = $0 == "```sh"; next } here && on' README.md \
    >"$HOME/steps"
[ "$(wc -l <"$HOME/steps")" -ge 5 ] || fail "README.md does not say how to come to a program of one's own"
expected=$(awk '/^## / { here = /^## Example$/ } here && /^```/ { on = $0 == "```text"; next } here && on' README.md)

bash -euo pipefail "$HOME/steps" >"$HOME/out" 2>&1 || {
    cat "$HOME/out"
    fail "a step of README.md does not work"
}
[ "$(tail -n 1 "$HOME/out")" = "$expected" ] || fail "the program prints \"$(tail -n 1 "$HOME/out")\", not \"$expected\""
echo "$expected"
for page in stream_hid record_hid; do
    [ -s "$HOME/dmf/share/man/man1/$page.1" ] || fail "the man page of $page is not installed"
done
