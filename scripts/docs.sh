#!/usr/bin/env bash
# Builds the site with Doxygen; a warning is an error: docs.sh BUILD_DIR
set -euo pipefail
build=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/.."

export DMF_DOCS=$build/docs DMF_DOCS_INPUT=$build/docs-input
DMF_VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
export DMF_VERSION
python3 scripts/docs_input.py "$DMF_DOCS_INPUT"
# A Module's page begins with what the Module is for, not with a list of names.
doxygen -l "$DMF_DOCS_INPUT/layout.xml"
python3 - "$DMF_DOCS_INPUT/layout.xml" <<'END'
import re, sys
text = open(sys.argv[1]).read()
group = re.search(r"(?s)<group>.*?</group>", text)[0]
detail = re.search(r"\n *<detaileddescription[^>]*/>", group)[0]
moved = group.replace(detail, "").replace("<group>", "<group>" + detail)
open(sys.argv[1], "w").write(text.replace(group, moved))
END
rm -rf "$DMF_DOCS"
mkdir -p "$DMF_DOCS"
doxygen docs/Doxyfile
cp docs/*.svg "$DMF_DOCS"
echo "$DMF_DOCS/index.html"
