#!/bin/bash
# Makes what a machine of the lab needs so that libvirt runs its guests, by QEMU or, in dom0, by Xen: artifacts/lab/libvirt.cpio, laid over dom0's
# image (and QEMU) where a machine asks for it. A second call finds its stamp and ends at once.
#
# libvirtd and virsh are Debian's, with the libraries that they name; what dom0's image has, its C library above all, stays. Expects that
# images.sh has run.
set -euo pipefail

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(dirname "$lab")/artifacts/lab
dom0=$out/payload/dom0
payload=$out/libvirt
root=$payload/root
tree=$payload/tree

source "$lab/payload.sh"
source "$lab/trees.sh"

payload_packages=(
    libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-driver-xen libvirt-clients libvirt0
    libacl1 libapparmor1 libaudit1 libblkid1 libbrotli1 libc6 libcap-ng0 libcom-err2 libcurl3-gnutls libffi8 libgcc-s1 libglib2.0-0 libgmp10
    libgnutls30 libgssapi-krb5-2 libhogweed6 libicu72 libidn2-0 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libldap-2.5-0 liblzma5
    libmount1 libnettle8 libnghttp2-14 libnl-3-200 libnuma1 libp11-kit0 libpciaccess0 libpcre2-8-0 libpsl5 libreadline8 librtmp1 libsasl2-2
    libselinux1 libssh-4 libssh2-1 libssl3 libstdc++6 libtasn1-6 libtinfo6 libtirpc3 libudev1 libunistring2 libxml2 libyajl2 libzstd1 zlib1g
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
    local drivers=usr/lib/x86_64-linux-gnu/libvirt/connection-driver library
    rm -rf "$tree"
    # The driver for Xen names Xen's libraries, which dom0's image has.
    library_path=$library_path:$out/payload/root/lib/x86_64-linux-gnu:$out/payload/root/usr/lib/x86_64-linux-gnu
    tree_programs "$tree" usr/sbin/libvirtd usr/bin/{virsh,virt-ssh-helper} $drivers/libvirt_driver_{qemu,libxl,nodedev}.so
    for library in "$tree"/lib/x86_64-linux-gnu/* "$tree"/lib64/*; do
        [[ ! -e $dom0/${library#"$tree/"} ]] || rm "$library"
    done
    mkdir -p "$tree/usr/share" "$tree/var/cache"
    cp -a "$root/usr/share/libvirt" "$tree/usr/share/"
    # The driver for Xen wants a name for the processor. The emulated one lacks what even a 486 has, virtual-8086 mode's extensions.
    sed -i "/<feature name='vme'\/>/d" "$tree/usr/share/libvirt/cpu_map/x86_486.xml"
    cp -a "$lab/rootfs/libvirt/." "$tree/"
    root=$out/payload/root tree_pack "$tree" "$out/libvirt.cpio"
    rm -rf "$tree"
}

main() {
    mkdir -p "$payload"
    exec 9>"$out/libvirt.lock"
    flock 9
    local versions tree_key key
    key=$(cd "$lab" && find libvirt.sh payload.sh trees.sh rootfs/libvirt -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | cat - "$out/stamp" | sha256sum | cut -c1-64)
    [[ ! -f $out/libvirt.stamp || $(<"$out/libvirt.stamp") != "$key" ]] || return 0
    rm -f "$out/libvirt.stamp"
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
    printf '%s' "$key" >"$out/libvirt.stamp"
}

main
