#!/usr/bin/env bash
# Builds the documentation's site, without a warning, and looks for what has to be there: site.sh BUILD_DIR
set -euo pipefail
build=$1
cd "$(dirname "$0")/.."

for tool in doxygen dot mandoc; do
    command -v $tool >/dev/null || { echo "SKIPPED: $tool is not installed"; exit 77; }
done

fail() {
    echo "FAILED: $1"
    exit 1
}

scripts/docs.sh "$build" || fail "the site is not built"
site=$build/docs
[ -s "$site/index.html" ] || fail "there is no index.html"
for header in include/dmf/Dmf_*.h; do
    module=$(basename "$header" .h)
    module=${module#Dmf_}
    page=$site/group__$module.html
    [ -s "$page" ] || fail "$module has no page"
    for heading in "What it is for" Configuration Callbacks Methods Example; do
        grep -q "$heading</h" "$page" || fail "$module's page does not say: $heading"
    done
    # Every function of the header is described there.
    grep -ohE "\bDMF_${module}_[A-Za-z]+\(" "$header" | tr -d '(' | sort -u >"$build/site-names"
    [ -s "$build/site-names" ] || fail "$header has no function"
    while read -r name; do
        grep -q "class=\"memname\">.*[ >]$name *</td>" "$page" ||
            fail "$module's page lacks $name"
    done <"$build/site-names"
    echo "$module: $(wc -l <"$build/site-names") functions"
done
# Each class of dmf.hpp has a page, which says what its header says of all of its members.
classes=$(sed -n -e '/^namespace detail {/,/^} \/\/ namespace detail/d' -e 's/^class \([a-z_]*\).*{$/\1/p' include/dmf/hpp/*.hpp)
[ -n "$classes" ] || fail "include/dmf/hpp/ has no class"
for class in $classes; do
    page=$site/classdmf_1_1${class//_/__}.html
    [ -s "$page" ] || fail "the class $class has no page"
    case $class in
    span | owner | calling_owner | stream) ;; # what the others are made of, and one that adds nothing of this
    *) grep -qE '<dt>(Statuses|Threads)|[Tt]hread' "$page" || fail "the page of $class does not say which thread" ;;
    esac
done
echo "C++: $(echo $classes | wc -w) classes"
for document in docs/*.md SECURITY.md CHANGELOG.md bindings/*/README.md docs/man/*.1; do
    name=$(basename "$document")
    case $document in
    bindings/*) name=md_$(basename "$(dirname "$document")") ;;
    *.1) name=man_${name%.1} ;;
    *) name=md_${name%.md} && name=${name,,} ;;
    esac
    [ -s "$site/$name.html" ] || fail "$document has no page"
done
# Every link leads to a page of the site, every anchor to a place in it; every picture that a page shows is there.
python3 - "$site" <<'END' || fail "the site has links that lead nowhere"
import html.parser, pathlib, sys, urllib.parse

site = pathlib.Path(sys.argv[1])


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.places = set(), set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src", "data") and value:
                self.links.add(value)
            elif name == "id" or (tag == "a" and name == "name"):
                self.places.add(value)


pages = {path.name: Page(path) for path in site.glob("*.html")}
wrong, links = [], 0
for name, page in pages.items():
    for link in page.links:
        where = urllib.parse.urlsplit(link)
        if where.scheme in ("http", "https", "javascript"):
            continue
        links += 1
        target, place = urllib.parse.unquote(where.path) or name, urllib.parse.unquote(where.fragment)
        if not (site / target).is_file():
            wrong.append(f"{name}: {link} is not there")
        elif place and target in pages and place not in pages[target].places:
            wrong.append(f"{name}: {target} has no place {place}")
print("\n".join(wrong[:20]) or f"{len(pages)} pages, {links} links")
sys.exit(bool(wrong) or links == 0)
END
