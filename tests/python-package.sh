#!/usr/bin/env bash
# Installs the library, and the Python package with pip into a fresh environment, and tests what is installed there:
# python-package.sh CMAKE BUILD_DIR PYTHON
set -euo pipefail
cmake=$1 build=$2 python=$3
source=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1"
    exit 1
}

"$python" -m venv "$work/venv" >"$work/log" 2>&1 || { cat "$work/log"; echo "SKIPPED: no venv (Debian package python3-venv)"; exit 77; }
PATH=$work/venv/bin:$PATH
# pip builds in the folder that it is given.
cp -r bindings/python "$work/package"
if ! pip download --quiet --disable-pip-version-check --no-deps --dest "$work" pytest >"$work/log" 2>&1; then
    cat "$work/log"
    echo "SKIPPED: pip cannot get packages here"
    exit 77
fi
pip install --quiet --disable-pip-version-check "$work/package[test]"
"$cmake" --install "$build" --prefix "$work/prefix" >"$work/log"

# Nothing but what is installed: no source folder, no library of this machine's.
mv "$work/package/tests" "$work/package/examples" "$work/"
rm -rf "$work/package"
cd "$work"
unset PYTHONPATH DMF_LIBRARY LD_LIBRARY_PATH
export PKG_CONFIG_LIBDIR=/nowhere PYTHONDONTWRITEBYTECODE=1
library=$(find "$work/prefix" -name 'libdmf.so.0')
digest=$("$build/digest" "$source/examples-c/data/usb-mouse.hid")

# loads WHERE: with the environment as it is, that library is found, and streams.
loads() {
    local found said
    found=$(python -c 'from dmf import _library; print(_library.library_path())')
    [[ $found != /* ]] || found=$(realpath -ms "$found")
    [ "$found" = "$1" ] || fail "the library was to be found as $1, and is $found"
    said=$(python examples/stream.py "$source/examples-c/data/usb-mouse.hid")
    [ "$said" = "$digest" ] || fail "stream.py prints $said, not $digest"
    echo "$1: $said"
}
if python -c 'import ctypes; ctypes.CDLL("libdmf.so.0")' 2>/dev/null; then
    echo "the library is installed for all of this machine: not tried without one"
elif python -c 'import dmf' 2>"$work/log"; then
    fail "the package finds a library that nobody has named"
else
    grep -q '^ImportError: libdmf.so.0 was not found' "$work/log" ||
        fail "without a library: $(cat "$work/log")"
fi
DMF_LIBRARY=$library loads "$library"
PKG_CONFIG_LIBDIR=$(dirname "$library")/pkgconfig loads "$library"
LD_LIBRARY_PATH=$(dirname "$library") loads libdmf.so.0
[[ $(DMF_LIBRARY=$library python -c 'import dmf; print(dmf.__file__)') == "$work/venv/"* ]] ||
    fail "the package that was tested is not the installed one"

export DMF_LIBRARY=$library DMF_SOURCE=$source
pytest --quiet -p no:cacheprovider tests
mypy --strict --cache-dir "$work/mypy" -p dmf
for program in tests examples/*.py; do
    mypy --strict --cache-dir "$work/mypy" "$program"
done
