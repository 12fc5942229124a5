#!/usr/bin/env bash
# Builds the site with Doxygen; a warning is an error: docs.sh BUILD_DIR
set -euo pipefail
build=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/.."

export DMF_DOCS=$build/docs DMF_DOCS_INPUT=$build/docs-input
DMF_VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
export DMF_VERSION
python3 scripts/docs_input.py "$DMF_DOCS_INPUT"
doxygen -l "$DMF_DOCS_INPUT/layout.xml"
python3 - "$DMF_DOCS_INPUT/layout.xml" <<'END'
import re, sys
text = open(sys.argv[1]).read()
# A Module's page begins with what the Module is for, not with a list of names.
group = re.search(r"(?s)<group>.*?</group>", text)[0]
detail = re.search(r"\n *<detaileddescription[^>]*/>", group)[0]
moved = group.replace(detail, "").replace("<group>", "<group>" + detail.replace('title=""', 'title="About"'))
# What is said there is not said once more before the lists.
text = text.replace(group, re.sub(r"\n *<briefdescription[^>]*/>", "", moved))
# Doxygen calls its groups "Modules", which here are something else; targets and classes are among them.
text, found = re.subn(r'(<tab type="modules"[^>]*title=)""', r'\1"Reference"', text)
assert found == 1
open(sys.argv[1], "w").write(text)
END
rm -rf "$DMF_DOCS"
mkdir -p "$DMF_DOCS"
doxygen docs/Doxyfile
cp docs/*.svg "$DMF_DOCS"
echo "$DMF_DOCS/index.html"
