#!/usr/bin/env bash
# What is declared both in Rust and in a hand-written header is the same: twins.sh C_COMPILER CARGO
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$(mktemp --suffix=.c)
trap 'rm -f "$program"' EXIT

"$2" run --quiet -p xtask -- twins "$program"
"$1" -std=gnu11 -Wall -Wextra -Werror -Iinclude -fsyntax-only "$program"
echo "$(grep -c '^SAME_' "$program") facts agree"
