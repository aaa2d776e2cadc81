#!/bin/bash
# Makes what a machine of the lab needs so that systemd starts it: artifacts/lab/systemd.cpio, laid over dom0's image where a machine asks
# for it. A second call finds its stamp and ends at once.
#
# systemd is Debian's, with the libraries that it names; what dom0's image has, its C library above all, stays. udev is not there: the lab's
# own start asks for drivers. Expects that images.sh has run.
set -euo pipefail

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(dirname "$lab")/artifacts/lab
dom0=$out/payload/dom0
payload=$out/systemd
root=$payload/root
tree=$payload/tree

source "$lab/payload.sh"
source "$lab/trees.sh"

payload_packages=(
    systemd libsystemd-shared libsystemd0 libacl1 libapparmor1 libargon2-1 libaudit1 libblkid1 libc6 libcap2 libcap-ng0 libcrypt1 libcryptsetup12
    libdevmapper1.02.1 libfdisk1 libffi8 libgcc-s1 libgcrypt20 libgpg-error0 libip4tc2 libjson-c5 libkmod2 liblz4-1 liblzma5 libmount1
    libp11-kit0 libpam0g libpcre2-8-0 libseccomp2 libselinux1 libssl3 libudev1 libuuid1 libzstd1 zlib1g
)

unpack() { # VERSIONS
    rm -rf "$root"
    mkdir -p "$root"
    local deb
    while read -r deb; do
        [[ $deb == linux-image-* ]] || dpkg -x "$payload/debs/$deb" "$root"
    done < <(payload_debs "$1")
}

pack() {
    local library
    rm -rf "$tree"
    mkdir -p "$tree/lib" "$tree/usr/lib"
    # Units and helpers as they come; programs with what they name.
    cp -a "$root/lib/systemd" "$tree/lib/"
    rm -rf "$tree"/lib/systemd/{system-generators,network,portable,catalog}
    library_path=$library_path:$root/lib/x86_64-linux-gnu/systemd \
        tree_programs "$tree" lib/systemd/{systemd,systemd-journald,systemd-shutdown} bin/{systemctl,journalctl} usr/bin/systemd-analyze
    for library in "$tree"/lib/x86_64-linux-gnu/* "$tree"/lib64/*; do
        [[ ! -e $dom0/${library#"$tree/"} ]] || rm "$library"
    done
    cp -a "$lab/rootfs/systemd/." "$tree/"
    root=$out/payload/root tree_pack "$tree" "$out/systemd.cpio"
    rm -rf "$tree"
}

main() {
    mkdir -p "$payload"
    exec 9>"$out/systemd.lock"
    flock 9
    local versions tree_key key
    key=$(cd "$lab" && find systemd.sh payload.sh trees.sh rootfs/systemd \( -type f -o -type l \) -print0 | LC_ALL=C sort -z | xargs -0 tar -c --mtime=@0 --owner=0 --group=0 | cat - "$out/stamp" | sha256sum | cut -c1-64)
    [[ ! -f $out/systemd.stamp || $(<"$out/systemd.stamp") != "$key" ]] || return 0
    rm -f "$out/systemd.stamp"
    versions=$(payload_versions)
    tree_key=$(sha256sum <<<"$versions")
    if [[ ! -f $payload/key || $(<"$payload/key") != "$tree_key" ]]; then
        rm -f "$payload/key"
        mkdir -p "$payload/debs"
        cp -n "$out"/payload/debs/*.deb "$payload/debs/" 2>/dev/null || true
        payload_download "$versions"
        unpack "$versions"
        printf '%s' "$tree_key" >"$payload/key"
    fi
    pack
    printf '%s' "$key" >"$out/systemd.stamp"
}

main
