#!/bin/bash
# What a machine of the lab needs so that libvirt runs its guests, by QEMU or, in dom0, by Xen: libvirtd and virsh.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/overlay.sh"

overlay_packages=(
    libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-driver-xen libvirt-clients libvirt0
    libacl1 libapparmor1 libaudit1 libblkid1 libbrotli1 libc6 libcap-ng0 libcom-err2 libcurl3-gnutls libffi8 libgcc-s1 libglib2.0-0 libgmp10
    libgnutls30 libgssapi-krb5-2 libhogweed6 libicu72 libidn2-0 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libldap-2.5-0 liblzma5
    libmount1 libnettle8 libnghttp2-14 libnl-3-200 libnuma1 libp11-kit0 libpciaccess0 libpcre2-8-0 libpsl5 libreadline8 librtmp1 libsasl2-2
    libselinux1 libssh-4 libssh2-1 libssl3 libstdc++6 libtasn1-6 libtinfo6 libtirpc3 libudev1 libunistring2 libxml2 libyajl2 libzstd1 zlib1g
)

fill() {
    local drivers=usr/lib/x86_64-linux-gnu/libvirt/connection-driver
    # The driver for Xen names Xen's libraries, which dom0's image has.
    library_path=$library_path:$out/payload/root/lib/x86_64-linux-gnu:$out/payload/root/usr/lib/x86_64-linux-gnu
    tree_programs "$tree" usr/sbin/libvirtd usr/bin/{virsh,virt-ssh-helper} usr/lib/libvirt/libvirt_iohelper $drivers/libvirt_driver_{qemu,libxl,nodedev}.so
    mkdir -p "$tree/usr/share" "$tree/var/cache"
    cp -a "$root/usr/share/libvirt" "$tree/usr/share/"
    # The driver for Xen wants a name for the processor. The emulated one lacks what even a 486 has, virtual-8086 mode's extensions.
    sed -i "/<feature name='vme'\/>/d" "$tree/usr/share/libvirt/cpu_map/x86_486.xml"
}

overlay libvirt
