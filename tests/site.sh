#!/usr/bin/env bash
# Builds the documentation's site, without a warning, and looks for what has to be there: site.sh BUILD_DIR
set -euo pipefail
build=$1
cd "$(dirname "$0")/.."

for tool in doxygen dot; do
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
for document in docs/*.md; do
    name=$(basename "$document" .md)
    compgen -G "$site/md_*$name.html" >/dev/null || fail "$document has no page"
done
# Every picture that a page shows is there.
grep -ohE '<(img|object)[^>]* (src|data)="[^"]*"' "$site"/*.html | sed 's/.*\(src\|data\)="//; s/"//' | sort -u |
    while read -r picture; do
        [ -s "$site/$picture" ] || fail "the picture $picture is missing"
    done
