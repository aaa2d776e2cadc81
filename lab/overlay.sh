# An archive of Debian's programs, with the libraries that they name, to be laid over dom0's image where a machine asks for it:
# artifacts/lab/NAME.cpio. Sourced by the scripts that make one: libvirt.sh, ssh.sh, systemd.sh. What dom0's image has, its C library above all,
# stays. A second call finds its stamp and ends at once. Expects that images.sh has run.
#
# The script says overlay_packages and a function fill, which puts into $tree what is wanted of $root; lab/rootfs/NAME comes on top.

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(dirname "$lab")/artifacts/lab

overlay() { # NAME
    local name=$1 versions tree_key key
    dom0=$out/payload/dom0
    payload=$out/$name
    root=$payload/root
    tree=$payload/tree
    source "$lab/payload.sh"
    source "$lab/trees.sh"

    mkdir -p "$payload"
    exec 9>"$out/$name.lock"
    flock 9
    key=$(cd "$lab" && find "$name.sh" overlay.sh payload.sh trees.sh "rootfs/$name" \( -type f -o -type l \) -print0 | LC_ALL=C sort -z |
        xargs -0 tar -c --mtime=@0 --owner=0 --group=0 | cat - "$out/stamp" | sha256sum | cut -c1-64)
    [[ ! -f $out/$name.stamp || $(<"$out/$name.stamp") != "$key" ]] || return 0
    rm -f "$out/$name.stamp"
    payload_packages=("${overlay_packages[@]}")
    versions=$(payload_versions)
    tree_key=$(sha256sum <<<"$versions")
    if [[ ! -f $payload/key || $(<"$payload/key") != "$tree_key" ]]; then
        rm -f "$payload/key"
        mkdir -p "$payload/debs"
        cp -n "$out"/payload/debs/*.deb "$payload/debs/" 2>/dev/null || true
        payload_download "$versions"
        overlay_unpack "$versions"
        printf '%s' "$tree_key" >"$payload/key"
    fi
    rm -rf "$tree"
    mkdir -p "$tree"
    fill
    overlay_pack "$name"
    printf '%s' "$key" >"$out/$name.stamp"
}

overlay_unpack() { # VERSIONS
    rm -rf "$root"
    mkdir -p "$root"
    local deb
    while read -r deb; do
        # payload_versions names the kernel with every list; it is in dom0's image.
        [[ $deb == linux-image-* ]] || dpkg -x "$payload/debs/$deb" "$root"
    done < <(payload_debs "$1")
}

overlay_pack() { # NAME
    local library
    for library in "$tree"/lib/x86_64-linux-gnu/* "$tree"/lib64/*; do
        [[ ! -e $dom0/${library#"$tree/"} ]] || rm "$library"
    done
    cp -a "$lab/rootfs/$1/." "$tree/"
    root=$out/payload/root tree_pack "$tree" "$out/$1.cpio"
    rm -rf "$tree"
}
