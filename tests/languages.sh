#!/usr/bin/env bash
# The example of each language streams the recording and prints the same line: languages.sh BUILD_DIR PYTHON
set -euo pipefail
build=$(cd "$1" && pwd) python=$2
cd "$(dirname "$0")/.."
recording=examples-c/data/usb-mouse.hid

cpp=$("$build/tests/stream_recording.cpp17" "$recording")
python=$(PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=bindings/python DMF_LIBRARY="$build/libdmf.so.0" \
    "$python" bindings/python/examples/stream.py "$recording")
echo "C++:    $cpp"
echo "Python: $python"
# A digest of nothing would be the same everywhere, too.
[[ $cpp =~ ^[1-9][0-9]*\ reports\ [0-9a-f]{16}$ ]]
[ "$cpp" = "$python" ]
