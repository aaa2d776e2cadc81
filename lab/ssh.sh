#!/bin/bash
# What two machines of the lab need to reach each other by ssh: ssh, sshd and ssh-keygen.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/overlay.sh"

overlay_packages=(
    openssh-client openssh-server
    libaudit1 libc6 libcap-ng0 libcap2 libcom-err2 libcrypt1 libgcrypt20 libgpg-error0 libgssapi-krb5-2 libk5crypto3 libkeyutils1 libkrb5-3
    libkrb5support0 liblz4-1 liblzma5 libnsl2 libpam0g libpcre2-8-0 libselinux1 libssl3 libsystemd0 libtirpc3 libwrap0 libzstd1 zlib1g
)

fill() {
    tree_programs "$tree" usr/sbin/sshd usr/bin/{ssh,ssh-keygen}
}

overlay ssh
