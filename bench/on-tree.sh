#!/bin/bash
# Runs a command where /sys is a tree of so many functions (see tree.c): in a mount and process namespace of its own, on a file system in
# memory, and gone with it. usage: bench/on-tree.sh COUNT COMMAND...
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../artifacts/bench" && pwd)
count=$1
shift
as=(unshare --mount --pid --fork --mount-proc)
[[ $(id -u) -eq 0 ]] || as=(unshare --user --map-root-user --mount --pid --fork --mount-proc)
exec "${as[@]}" bash -euc '
    mount -t tmpfs -o size=4g,nr_inodes=2m pcipass-bench /mnt
    "$1/tree" /mnt "$2"
    mount --bind /mnt/sys /sys
    shift 2
    exec "$@"
' on-tree "$tools" "$count" "$@"
