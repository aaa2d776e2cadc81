#!/bin/bash
# Makes what two machines of the lab need to reach each other by ssh: artifacts/lab/ssh.cpio, laid over dom0's image where a machine asks for
# it. A second call finds its stamp and ends at once.
#
# ssh, sshd and ssh-keygen are Debian's, with the libraries that they name; what dom0's image has, its C library above all, stays. Expects
# that images.sh has run.
set -euo pipefail

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(dirname "$lab")/artifacts/lab
dom0=$out/payload/dom0
payload=$out/ssh
root=$payload/root
tree=$payload/tree

source "$lab/payload.sh"
source "$lab/trees.sh"

payload_packages=(
    openssh-client openssh-server
    libaudit1 libc6 libcap-ng0 libcap2 libcom-err2 libcrypt1 libgcrypt20 libgpg-error0 libgssapi-krb5-2 libk5crypto3 libkeyutils1 libkrb5-3
    libkrb5support0 liblz4-1 liblzma5 libnsl2 libpam0g libpcre2-8-0 libselinux1 libssl3 libsystemd0 libtirpc3 libwrap0 libzstd1 zlib1g
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
    tree_programs "$tree" usr/sbin/sshd usr/bin/{ssh,ssh-keygen}
    for library in "$tree"/lib/x86_64-linux-gnu/* "$tree"/lib64/*; do
        [[ ! -e $dom0/${library#"$tree/"} ]] || rm "$library"
    done
    cp -a "$lab/rootfs/ssh/." "$tree/"
    root=$out/payload/root tree_pack "$tree" "$out/ssh.cpio"
    rm -rf "$tree"
}

main() {
    mkdir -p "$payload"
    exec 9>"$out/ssh.lock"
    flock 9
    local versions tree_key key
    key=$(cd "$lab" && find ssh.sh payload.sh trees.sh rootfs/ssh -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | cat - "$out/stamp" | sha256sum | cut -c1-64)
    [[ ! -f $out/ssh.stamp || $(<"$out/ssh.stamp") != "$key" ]] || return 0
    rm -f "$out/ssh.stamp"
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
    printf '%s' "$key" >"$out/ssh.stamp"
}

main
