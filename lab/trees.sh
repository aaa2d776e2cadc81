# The file trees inside the images, and their packing. Sourced by images.sh.

kernel_version() { basename "$root"/lib/modules/*; }

# A tree with busybox and empty mount points. busybox makes its own links at boot: three hundred of them are quicker made there.
tree_base() { # TREE
    rm -rf "$1"
    mkdir -p "$1"/{bin,dev,etc,lib,proc,root,run,sbin,sys,tmp,usr/bin,usr/sbin,var/lib,var/log}
    ln -s /run "$1/var/run"
    ln -s /run/lock "$1/var/lock"
    cp "$root/bin/busybox" "$1/bin/busybox"
}

# Kernel modules with what they depend on.
tree_modules() { # TREE MODULE...
    local tree=$1 version files
    shift
    version=$(kernel_version)
    mkdir -p "$tree/lib/modules/$version"
    cp "$root/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$tree/lib/modules/$version/"
    files=$(payload_run modprobe "$root/bin/kmod" -d "$root" -S "$version" --show-depends -a "$@" | awk '$1 == "insmod" { print $2 }' | sort -u)
    (cd "$root" && sed "s|^$root/||" <<<"$files" | xargs cp --parents -t "$tree")
    payload_run depmod "$root/bin/kmod" -b "$tree" "$version"
}

# Programs at their own path, with the libraries that their ELF headers name.
tree_programs() { # TREE PROGRAM...
    local tree=$1 program
    shift
    mkdir -p "$tree/lib64" "$tree/lib/x86_64-linux-gnu"
    cp -L "$root/lib64/ld-linux-x86-64.so.2" "$tree/lib64/"
    for program in "$@"; do
        mkdir -p "$tree/$(dirname "$program")"
        cp "$root/$program" "$tree/$program"
        "$root/lib64/ld-linux-x86-64.so.2" --library-path "$library_path" --list "$root/$program"
    done | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | xargs cp -Lt "$tree/lib/x86_64-linux-gnu"
}

# The archive is written in a fixed order, with root as the owner, whoever runs this. A machine that starts meanwhile still reads the old one.
tree_pack() { # TREE ARCHIVE
    (cd "$1" && find . | LC_ALL=C sort | "$root/bin/busybox" cpio -o -H newc -R 0:0 2>/dev/null) >"$2.new"
    mv "$2.new" "$2"
}

guest_modules=(xen-pcifront e1000 e1000e nvme)

guest_image() { # ARCHIVE
    local tree=$payload/guest
    tree_base "$tree"
    tree_modules "$tree" "${guest_modules[@]}"
    cp -a "$lab/rootfs/common/." "$lab/rootfs/guest/." "$tree/"
    tree_pack "$tree" "$1"
}

dom0_modules=(
    xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-pciback
    e1000 e1000e igb nvme xhci-pci
    vfio-pci vfio_iommu_type1 uio_pci_generic pci-stub
    ext4 crc32c_generic dm-mod raid1 loop bridge bonding 8021q macvlan
)

dom0_image() { # ARCHIVE GUEST_ARCHIVE GUEST_KERNEL
    local tree=$payload/dom0 xen=usr/lib/xen-4.17/bin name
    tree_base "$tree"
    tree_modules "$tree" "${dom0_modules[@]}"
    tree_programs "$tree" $xen/{xl,xenstored,xenconsoled,xenconsole,xen-init-dom0,libxl-save-helper,xenstore-control} \
        usr/bin/{xenstore,lspci,setpci,flock} bin/kmod sbin/dmsetup
    # xl loads it only when it cancels a thread, so no ELF header names it; without it `xl create` ends in an abort.
    cp -L "$root/lib/x86_64-linux-gnu/libgcc_s.so.1" "$tree/lib/x86_64-linux-gnu/"
    mkdir -p "$tree/usr/share/misc" "$tree/var/lib/xen" "$tree/var/log/xen" "$tree/var/lib/xenstored" "$tree/boot"
    cp "$root/usr/share/misc/pci.ids" "$tree/usr/share/misc/"
    for name in xl xenstored xenconsoled xen-init-dom0 xenstore-control; do ln -s "/$xen/$name" "$tree/usr/sbin/$name"; done
    for name in exists list ls read rm write watch chmod; do ln -s xenstore "$tree/usr/bin/xenstore-$name"; done
    # kmod, not busybox, so that `install` lines, softdeps and both spellings of a module's name mean what they mean on a real host.
    for name in depmod insmod lsmod modinfo modprobe rmmod; do ln -s /bin/kmod "$tree/sbin/$name"; done
    cp -a "$lab/rootfs/common/." "$lab/rootfs/dom0/." "$tree/"
    cp "$2" "$tree/boot/guest.cpio"
    cp "$3" "$tree/boot/vmlinux"
    tree_pack "$tree" "$1"
}
