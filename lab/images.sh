#!/bin/bash
# Makes the lab's images below artifacts/lab: xen, vmlinux, dom0.cpio and guest.cpio.
#
# No root is needed, and nothing of the host goes into an image: the payload is what Debian's archive serves for the host's release, taken
# with `apt-get download` and unpacked with `dpkg -x`, so no maintainer script runs. A second call finds its stamp and ends at once.
#
# Progress goes to stdout, one line a stage, "[2/5] unpack the payload"; the last line is "[5/5] images ready". Nothing is printed when
# the images are there already. Exit code 75: the archive's package lists are missing or stale; run `apt-get update` and call again.
set -euo pipefail

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(dirname "$lab")/artifacts/lab
payload=$out/payload
root=$payload/root

source "$lab/payload.sh"
source "$lab/trees.sh"

stage() { printf '[%s/5] %s\n' "$1" "$2"; }

# What the images are made from, apart from the packages.
script_hash() {
    (cd "$lab" && find images.sh payload.sh trees.sh rootfs -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-64)
}

# apt takes a second to say which versions it would download, so the state of its lists stands in for the answer while it is unchanged.
lists_hash() {
    stat -c '%n %s %Y' /var/lib/apt/lists/*Packages* 2>/dev/null | sha256sum | cut -c1-64
}

images_exist() {
    local image
    for image in xen vmlinux dom0.cpio guest.cpio; do [[ -s $out/$image ]] || return 1; done
}

up_to_date() { # STAMP CONTENT
    images_exist && [[ -f $out/$1 && $(<"$out/$1") == "$2" ]]
}

main() {
    mkdir -p "$payload"
    exec 9>"$out/images.lock"
    flock 9 # two callers at once (a test run beside a demo) make the images once

    local scripts quick versions exact
    scripts=$(script_hash)
    quick="$scripts $(lists_hash)"
    if up_to_date stamp.quick "$quick"; then return; fi

    versions=$(payload_versions)
    exact="$scripts $(sha256sum <<<"$versions" | cut -c1-64)"
    if ! up_to_date stamp "$exact"; then
        rm -f "$out"/stamp "$out"/stamp.quick
        stage 1 "download the payload (Xen, its tools, a kernel: 80 MB)"
        payload_download "$versions"
        stage 2 "unpack the payload"
        payload_unpack "$versions"
        stage 3 "build the guest's image"
        guest_image "$out/guest.cpio"
        stage 4 "build dom0's image"
        dom0_image "$out/dom0.cpio" "$out/guest.cpio" "$out/vmlinux"
        printf '%s' "$exact" >"$out/stamp"
        stage 5 "images ready"
    fi
    printf '%s' "$quick" >"$out/stamp.quick"
}

main
