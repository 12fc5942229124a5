"""What the shared library is built of, checked without a network: dependencies.py CARGO [--write]

Every crate comes from the registry with a checksum, has a licence of the list below, is there in one version only, and
stands in dependencies.txt. Whether a version has been yanked, or has an advisory, only the registry knows; that is not
checked here.
"""
import json
import pathlib
import re
import subprocess
import sys

# Licences that may be used under the library's own MIT OR Apache-2.0.
LICENCES = {"MIT", "Apache-2.0", "Unlicense", "BSD-2-Clause", "BSD-3-Clause", "Zlib", "ISC", "Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception"}
TARGET = "x86_64-unknown-linux-gnu"

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent
failures = []


def is_allowed(expression):
    """Whether an SPDX expression can be satisfied with the list."""
    words = re.findall(r"[()]|[^()\s]+(?:\s+WITH\s+\S+)?", expression.replace("/", " OR "))
    at = 0

    def any_of():
        nonlocal at
        result = all_of()
        while at < len(words) and words[at] == "OR":
            at += 1
            result = all_of() or result
        return result

    def all_of():
        nonlocal at
        result = one()
        while at < len(words) and words[at] == "AND":
            at += 1
            result = one() and result
        return result

    def one():
        nonlocal at
        word = words[at]
        at += 1
        if word == "(":
            result = any_of()
            at += 1
            return result
        return word in LICENCES

    return bool(words) and any_of()


assert is_allowed("MIT OR GPL-3.0") and is_allowed("(MIT AND Zlib) OR X") and is_allowed("MIT/Apache-2.0")
assert not is_allowed("GPL-3.0") and not is_allowed("MIT AND GPL-3.0") and not is_allowed("")

metadata = json.loads(subprocess.run(
    [sys.argv[1], "metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", TARGET],
    cwd=root, check=True, stdout=subprocess.PIPE).stdout)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}

# What is linked into the library: normal dependencies, from the package dmf down.
reached = set()
todo = [id for id, package in packages.items() if package["name"] == "dmf" and package["source"] is None]
while todo:
    id = todo.pop()
    if id not in reached:
        reached.add(id)
        todo += [dependency["pkg"] for dependency in nodes[id]["deps"]
                 if any(kind["kind"] is None for kind in dependency["dep_kinds"])]
shipped = sorted((packages[id] for id in reached if packages[id]["source"]), key=lambda package: package["name"])
# Build scripts and procedural macros run when it is built.
built = sorted({packages[dependency["pkg"]]["name"] for id in reached for dependency in nodes[id]["deps"]
                if any(kind["kind"] == "build" for kind in dependency["dep_kinds"])})

checksums = {}
for block in (root / "Cargo.lock").read_text().split("[[package]]")[1:]:
    fields = dict(re.findall(r'^(\w+) = "(.*)"$', block, re.M))
    checksums[fields["name"], fields["version"]] = fields
    if "source" in fields and not re.fullmatch("[0-9a-f]{64}", fields.get("checksum", "")):
        failures.append(f"{fields['name']} {fields['version']}: without a checksum")

# One registry, the one that cargo uses by default; neither repositories nor folders.
sources = {fields["source"] for fields in checksums.values() if "source" in fields}
if len(sources) != 1 or not next(iter(sources)).startswith("registry+"):
    failures.append(f"crates come from {sorted(sources)}")

names = [package["name"] for package in shipped]
for package in shipped:
    licence = package["license"] or ""
    if not is_allowed(licence):
        failures.append(f"{package['name']} {package['version']}: the licence is \"{licence}\"")
    if (package["name"], package["version"]) not in checksums:
        failures.append(f"{package['name']} {package['version']}: not in Cargo.lock")
    if names.count(package["name"]) > 1:
        failures.append(f"{package['name']}: in more than one version")

lines = [f"{package['name']} {package['version']} {package['license']}" for package in shipped]
lines += [f"(when building) {name}" for name in built]
text = "\n".join(lines) + "\n"
listed = here / "dependencies.txt"
if "--write" in sys.argv:
    listed.write_text(text)
elif listed.read_text() != text:
    failures.append("the library is built of other crates than dependencies.txt lists; look at them, and run "
                    "tests/security/dependencies.py cargo --write\n" + text)

for failure in failures:
    print("FAILED:", failure)
print(f"{len(shipped)} crates in the library, {len(checksums)} in Cargo.lock; not checked, as that takes the registry: "
      "yanked versions, advisories")
sys.exit(1 if failures else 0)
