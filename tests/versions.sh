#!/usr/bin/env bash
# Everything that names a version names Cargo.toml's, and the library in use gives every status of types.h its name:
# versions.sh BUILD_DIR C_COMPILER
set -euo pipefail
build=$1 compiler=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
grep -qE "^## ${version//./\\.}( |\$)" CHANGELOG.md || { echo "CHANGELOG.md has no section for $version"; exit 1; }

# The statuses come from the header, so that none can be forgotten here.
names=$(sed -nE 's/^#define (STATUS_[A-Z0-9_]+) .*/\1/p' include/dmf/types.h)
[ "$(wc -w <<<"$names")" -gt 20 ] || { echo "types.h has hardly any statuses"; exit 1; }
{
    cat <<'C'
#include <dmf.h>
#include <stdio.h>
#include <string.h>
static int wrong;
static void named(NTSTATUS Status, const char* Name)
{
    if (strcmp(DMF_StatusName(Status), Name) != 0)
        wrong = printf("DMF_StatusName(%s) is \"%s\"\n", Name, DMF_StatusName(Status));
}
int main(void)
{
    ULONG version = DMF_VersionGet();
    char text[64];
    snprintf(text, sizeof(text), "%u.%u.%u", version >> 16, version >> 8 & 0xFF, version & 0xFF);
    if (strcmp(text, VERSION) != 0)
        wrong = printf("DMF_VersionGet() says %s\n", text);
    snprintf(text, sizeof(text), "%d.%d.%d", DMF_VERSION_MAJOR, DMF_VERSION_MINOR, DMF_VERSION_PATCH);
    if (strcmp(text, VERSION) != 0)
        wrong = printf("the macros say %s\n", text);
C
    for name in $names; do
        echo "    named($name, \"$name\");"
    done
    echo '    return wrong != 0;'
    echo '}'
} >"$work/versions.c"
"$compiler" -DVERSION="\"$version\"" -I include "$work/versions.c" -o "$work/versions" -L "$build" -ldmf -Wl,-rpath,"$build"
"$work/versions" || { echo "Cargo.toml says $version"; exit 1; }
echo "version $version; $(wc -w <<<"$names") statuses have their names"
