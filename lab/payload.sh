# The payload: which packages, and how they are brought here and unpacked. Sourced by images.sh.

# Everything that runs inside the lab comes from these, the C library included: then the images do not depend on what the host has installed.
payload_packages=(
    xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils
    libxenmisc4.17 libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1 libxenstore4
    libxentoolcore1 libxentoollog1 libyajl2
    busybox-static util-linux kmod libkmod2 pciutils libpci3 pci.ids
    dmsetup libdevmapper1.02.1 libselinux1 libpcre2-8-0
    libc6 libgcc-s1 libssl3 liblzma5 libzstd1 zlib1g libuuid1 libudev1
)

# Prints one line a package: its address, file name, size and checksum, as apt would download it. These lines are the payload's identity.
payload_versions() {
    local kernel
    kernel=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '$1 == "Depends:" { print $2; exit }')
    if [[ -z $kernel ]] || ! apt-get download -q --print-uris "$kernel" "${payload_packages[@]}" 2>/dev/null; then
        echo "images: apt does not know all of the lab's packages; its lists are missing or stale (apt-get update)" >&2
        exit 75
    fi
}

payload_debs() { awk '{ print $2 }' <<<"$1"; }

# Packages that are there already are kept: a change of the lab's scripts downloads nothing.
payload_download() { # VERSIONS
    mkdir -p "$payload/debs"
    local missing=() deb
    while read -r deb; do
        [[ -f $payload/debs/$deb ]] || missing+=("${deb%%_*}")
    done < <(payload_debs "$1")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    # As root apt would rather download as its own user, which needs a directory open to all; say that ours need not be.
    if ! (cd "$payload/debs" && apt-get download -qq -o APT::Sandbox::User=root "${missing[@]}"); then
        echo "images: the archive no longer serves what apt's lists name (apt-get update)" >&2
        exit 75
    fi
}

# Takes the signature from modules (scripts/sign-file.c: the signature, 12 bytes with its length at the end, and a line of text). Under
# emulation the kernel found that of one module wrong, at some starts and not at others ("Key was rejected by service": seen in the lab).
unsign='for (@ARGV) {
    open(my $file, "+<", $_) or die "$_: $!";
    seek($file, -40, 2);
    read($file, my $end, 40) == 40 or die "$_: too short";
    truncate($file, (-s $file) - 40 - unpack("N", substr($end, 8))) if substr($end, 12) eq "~Module signature appended~\n";
}'

payload_unpack() { # VERSIONS
    local key
    key=$(cat "$lab/payload.sh" - <<<"$1" | sha256sum | cut -c1-64)
    [[ -f $payload/key && $(<"$payload/key") == "$key" && -s $out/xen && -s $out/vmlinux ]] && return
    rm -rf "$root" "$payload/key"
    mkdir -p "$root"

    # The kernel's package is nine tenths of the work: it gets one core, all the others share the second.
    local deb kernel_deb kernel
    kernel_deb=$(payload_debs "$1" | grep '^linux-image-')
    dpkg -x "$payload/debs/$kernel_deb" "$root" &
    kernel=$!
    while read -r deb; do
        [[ $deb == "$kernel_deb" ]] || dpkg -x "$payload/debs/$deb" "$root"
    done < <(payload_debs "$1")
    gzip -dc "$root"/boot/xen-*.gz >"$out/xen.new"
    mv "$out/xen.new" "$out/xen"
    wait "$kernel"

    find "$root/lib/modules" -name '*.ko' -print0 | xargs -0 perl -e "$unsign"
    payload_run depmod "$root/bin/kmod" -b "$root" "$(basename "$root"/lib/modules/*)"
    vmlinux_extract "$root"/boot/vmlinuz-* "$out/vmlinux.new"
    mv "$out/vmlinux.new" "$out/vmlinux"
    printf '%s' "$key" >"$payload/key"
}

# Takes the ELF kernel out of a bzImage. Xen can start the bzImage as well, but then it is unpacked under emulation, on every boot of dom0
# and of each guest: 8 s each time. The offsets are those of the x86 boot protocol (Documentation/arch/x86/boot.rst).
vmlinux_extract() { # BZIMAGE VMLINUX
    local setup_sectors offset length magic
    setup_sectors=$(number_at "$1" $((0x1f1)) 1)
    offset=$(number_at "$1" $((0x248)) 4)
    length=$(number_at "$1" $((0x24c)) 4)
    [[ $setup_sectors -ne 0 ]] || setup_sectors=4
    offset=$((offset + (setup_sectors + 1) * 512))
    magic=$(od -An -tx1 -j "$offset" -N 6 "$1" | tr -d ' \n')
    [[ $magic == fd377a585a00 ]] || { echo "images: $1 is not compressed with xz (its payload begins $magic)" >&2; return 1; }
    # The last four bytes are the unpacked length, not xz's: leave them out, else xz calls the file damaged.
    dd if="$1" bs=64K iflag=skip_bytes,count_bytes skip="$offset" count=$((length - 4)) status=none | tool xz -dc >"$2"
    [[ $(od -An -tx1 -N 4 "$2" | tr -d ' \n') == 7f454c46 ]] || { echo "images: $1 holds no ELF kernel" >&2; return 1; }
}

number_at() { # FILE OFFSET LENGTH
    od -An "-tu$3" -j "$2" -N "$3" "$1" | tr -d ' \n'
}

# Runs a program of the payload on this machine, with the payload's own loader and libraries: so the host needs neither kmod nor cpio.
payload_run() { # ARGV0 PROGRAM ARGUMENT...
    local name=$1 program=$2
    shift 2
    "$root/lib64/ld-linux-x86-64.so.2" --argv0 "$name" --library-path "$library_path" "$program" "$@"
}

# A small tool: the host's if it has one, else the payload's busybox.
tool() { # NAME ARGUMENT...
    if command -v "$1" >/dev/null; then "$@"; else "$root/bin/busybox" "$@"; fi
}

library_path=$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu
