#!/bin/bash
# What dom0 needs so that xl runs fully virtualised guests: the device model, a QEMU built for Xen, and what hvmloader gives the guest.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/overlay.sh"

overlay_packages=(
    qemu-system-xen qemu-system-data seabios ipxe-qemu xen-utils-4.17
    libc6 libfdt1 libgcc-s1 libglib2.0-0 libjpeg62-turbo libpixman-1-0 libspice-server1 libusb-1.0-0 zlib1g
    libbz2-1.0 libdw1 libelf1 libffi8 libgstreamer-plugins-base1.0-0 libgstreamer1.0-0 liblz4-1 liblzma5 libopus0 liborc-0.4-0 libpcre2-8-0
    libsasl2-2 libssl3 libstdc++6 libudev1 libunwind8
)

fill() {
    # The device model names Xen's libraries, which dom0's image has.
    library_path=$library_path:$out/payload/root/lib/x86_64-linux-gnu:$out/payload/root/usr/lib/x86_64-linux-gnu
    tree_programs "$tree" usr/libexec/xen-qemu-system-i386
    mkdir -p "$tree/boot" "$tree/usr/lib/xen-4.17/boot" "$tree"/usr/share/{seabios,qemu}
    cp "$root/usr/lib/xen-4.17/boot/hvmloader" "$tree/usr/lib/xen-4.17/boot/"
    cp "$out"/payload/root/boot/vmlinuz-* "$tree/boot/vmlinuz"
    cp -L "$root"/usr/share/seabios/{bios-256k,vgabios-stdvga}.bin "$tree/usr/share/seabios/"
    # Its display, which the guest has none of, wants to know a keyboard.
    cp -rL "$root"/usr/share/qemu/keymaps "$tree/usr/share/qemu/"
    cp -L "$root"/usr/share/qemu/{linuxboot,linuxboot_dma,kvmvapic}.bin "$tree/usr/share/qemu/"
}

overlay hvm
