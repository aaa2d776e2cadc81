#!/bin/bash
# What a machine of the lab needs so that systemd starts it. udev is not there: the lab's own start asks for drivers.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/overlay.sh"

overlay_packages=(
    systemd libsystemd-shared libsystemd0 libacl1 libapparmor1 libargon2-1 libaudit1 libblkid1 libc6 libcap2 libcap-ng0 libcrypt1 libcryptsetup12
    libdevmapper1.02.1 libfdisk1 libffi8 libgcc-s1 libgcrypt20 libgpg-error0 libip4tc2 libjson-c5 libkmod2 liblz4-1 liblzma5 libmount1
    libp11-kit0 libpam0g libpcre2-8-0 libseccomp2 libselinux1 libssl3 libudev1 libuuid1 libzstd1 zlib1g
)

fill() {
    mkdir -p "$tree/lib" "$tree/usr/lib"
    # Units and helpers as they come; programs with what they name.
    cp -a "$root/lib/systemd" "$tree/lib/"
    rm -rf "$tree"/lib/systemd/{system-generators,network,portable,catalog}
    library_path=$library_path:$root/lib/x86_64-linux-gnu/systemd
    tree_programs "$tree" lib/systemd/{systemd,systemd-journald,systemd-shutdown} bin/{systemctl,journalctl} usr/bin/systemd-analyze
}

overlay systemd
