#!/usr/bin/env bash
# Does what README.md tells a newcomer, word for word and from `git clone` on, with a home folder of its own: every block
# of shell commands, in order, in one shell; then those of the bindings' READMEs.
#
# Not as they stand: REPOSITORY is this folder, PREFIX one below the new home; `make test`, which would run this test, and
# what needs a device are expanded by make (-n) and not run.
set -euo pipefail
recording_says="1020 reports"
source=$(cd "$(dirname "$0")/.." && pwd)
cd "$source"

# Rust stays where it is installed; all else is new.
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
HOME=$(mktemp -d)
export HOME
trap 'rm -rf "$HOME"' EXIT
unset BUILD CARGO_TARGET_DIR PKG_CONFIG_PATH PKG_CONFIG_LIBDIR LD_LIBRARY_PATH DMF_LIBRARY PYTHONPATH MAKEFLAGS MAKELEVEL

fail() {
    echo "FAILED: $1"
    exit 1
}

if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    echo "SKIPPED: packages are installed as root"
    exit 77
fi
# The folder may be another user's.
printf '[safe]\n\tdirectory = *\n' >"$HOME/.gitconfig"
if ! git rev-parse --git-dir >/dev/null 2>&1; then
    echo "SKIPPED: this folder is no repository that could be cloned"
    exit 77
fi

# shell_of DOCUMENT
shell_of() {
    awk '/^```/ { on = $0 == "```sh"; next } on' "$1"
}
{
    cat <<'SH'
make() {
    case " $* " in
    *" test "* | *" DEVICE="*) command make -n "$@" >/dev/null ;;
    *) command make "$@" ;;
    esac
}
sudo() {
    if [ "$(id -u)" = 0 ]; then DEBIAN_FRONTEND=noninteractive "$@"; else command sudo -n "$@"; fi
}
# Where there is no device it says so, and fails.
build/stream_hid() {
    command build/stream_hid "$@" || [ "$*" = --list ]
}
SH
    shell_of README.md | sed "s|git clone REPOSITORY|git clone '$source'|; s|--prefix PREFIX|--prefix \"\$HOME/elsewhere\"|"
    for document in bindings/*/README.md; do
        shell_of "$document"
    done
} >"$HOME/steps"
for command in "git clone" "make demo" "make install" "cmake --install" "cc " "apt-get install -y g++" "c++ " "pip\" install" "stream.py"; do
    grep -qF "$command" "$HOME/steps" || fail "no README says how to: $command"
done

cd "$HOME"
bash -euo pipefail "$HOME/steps" >"$HOME/out" 2>&1 || {
    tail -n 40 "$HOME/out"
    fail "a step of a README does not work"
}
# The program of README.md in C, with the static library, with CMake, in C++ and in Python.
said=$(grep -cx "$recording_says" "$HOME/out") || fail "no program prints \"$recording_says\""
[ "$said" = 5 ] || fail "$said programs print \"$recording_says\", not 5"
grep -q "^$recording_says, " "$HOME/out" || fail "make demo does not stream the recording"
grep -qE "^$recording_says [0-9a-f]{16}$" "$HOME/out" || fail "the Python example does not stream the recording"
for page in stream_hid record_hid; do
    [ -s "$HOME/.local/share/man/man1/$page.1" ] || fail "the man page of $page is not installed"
done
[ -s "$HOME/elsewhere/include/dmf.h" ] || fail "cmake --install does nothing"
echo "$(wc -l <"$HOME/steps") lines of commands, and five programs that print \"$recording_says\""
