using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>
/// What makes a start hide functions: a hook that puts pcipass into the initramfs, what runs it there before the drivers, and a unit for
/// hosts whose initramfs was made without. They are small files of scripts, made here and compared byte by byte: nothing else is needed.
/// </summary>
public static class BootPart
{
    public const string InitramfsTools = "initramfs-tools", Dracut = "dracut";

    /// <summary>The late unit's name.</summary>
    public const string Unit = "pcipass-boot.service";

    const string UnitPath = $"/etc/systemd/system/{Unit}";
    const string Hook = "/etc/initramfs-tools/hooks/pcipass", Script = "/etc/initramfs-tools/scripts/init-top/pcipass";
    const string DracutFolder = "/usr/lib/dracut/modules.d/89pcipass";

    /// <summary>The files of a part, with their contents.</summary>
    /// <param name="part"><see cref="InitramfsTools"/>, <see cref="Dracut"/> or <see cref="Unit"/>.</param>
    /// <param name="program">Where pcipass is installed.</param>
    public static ImmutableArray<(string Path, FileContent Content)> FilesOf(string part, string program) => part switch
    {
        InitramfsTools => [(Hook, new FileContent(HookText.Replace(ProgramWord, program))), (Script, new FileContent(ScriptText))],
        Dracut => [($"{DracutFolder}/module-setup.sh", new FileContent(DracutSetup.Replace(ProgramWord, program))), ($"{DracutFolder}/pcipass.sh", new FileContent(DracutScript))],
        Unit => [(UnitPath, new FileContent(UnitText.Replace(ProgramWord, program)))],
        _ => throw new FormatException($"\"{part}\" is no part of a start"),
    };

    /// <summary>
    /// The same files as a package of the distribution brings them, where those of packages lie: beside what <c>boot install</c> writes, so
    /// that neither touches the other's.
    /// </summary>
    /// <param name="part"><see cref="InitramfsTools"/>, <see cref="Dracut"/> or <see cref="Unit"/>.</param>
    public static ImmutableArray<(string Path, FileContent Content)> PackagedFilesOf(string part) =>
        [.. FilesOf(part, PackagedProgram).Select(file => (PackagedPath(file.Path), new FileContent(file.Content.Text.Replace("Written by pcipass boot install:", "Part of the package pcipass:"))))];

    /// <summary>Where a package of the distribution installs the program.</summary>
    public const string PackagedProgram = "/usr/sbin/pcipass";

    static string PackagedPath(string path) => path.Replace("/etc/initramfs-tools", "/usr/share/initramfs-tools").Replace("/89pcipass/", "/88pcipass/")
        .Replace("/etc/systemd/system", "/usr/lib/systemd/system");

    const string ProgramWord = "@program@";

    // initramfs-tools(7): hooks run when an image is made, the scripts of init-top before any driver is loaded. Those without
    // prerequisites run in the order of their names, and udev's comes behind this one's.
    const string HookText = """
        #!/bin/sh
        # Written by pcipass boot install: puts pcipass, and the list of what stays hidden, into the initramfs.
        PREREQ=""
        case "$1" in
        prereqs)
            echo "$PREREQ"
            exit 0
            ;;
        esac
        . /usr/share/initramfs-tools/hook-functions
        # With nothing to hide, nothing is put there.
        [ -s /etc/pcipass/devices ] || exit 0
        copy_exec @program@ /usr/sbin/pcipass
        mkdir -p "$DESTDIR/etc/pcipass"
        cp /etc/pcipass/devices "$DESTDIR/etc/pcipass/devices"
        ! grep -q '^[^#]*[[:space:]]pciback' /etc/pcipass/devices || manual_add_modules xen-pciback
        ! grep -q '^[^#]*[[:space:]]vfio-pci' /etc/pcipass/devices || manual_add_modules vfio-pci

        """;

    const string ScriptText = """
        #!/bin/sh
        # Written by pcipass boot install: hides functions before their drivers come. What goes wrong stands in the kernel's log, and
        # never stops the start.
        PREREQ=""
        case "$1" in
        prereqs)
            echo "$PREREQ"
            exit 0
            ;;
        esac
        [ ! -x /usr/sbin/pcipass ] || /usr/sbin/pcipass boot apply --early >/dev/null 2>&1 || :

        """;

    // dracut.modules(7): check says whether the module goes in without being asked for; the hooks of pre-udev run before udev starts.
    const string DracutSetup = """
        #!/bin/bash
        # Written by pcipass boot install: puts pcipass, and the list of what stays hidden, into the initramfs.
        check() {
            # With nothing to hide, nothing is put there.
            [[ -s ${dracutsysrootdir-}/etc/pcipass/devices ]]
        }
        depends() {
            return 0
        }
        installkernel() {
            ! grep -q '^[^#]*[[:space:]]pciback' "${dracutsysrootdir-}/etc/pcipass/devices" || hostonly='' instmods xen-pciback
            ! grep -q '^[^#]*[[:space:]]vfio-pci' "${dracutsysrootdir-}/etc/pcipass/devices" || hostonly='' instmods vfio-pci
        }
        install() {
            inst_simple @program@ /usr/sbin/pcipass
            inst_simple /etc/pcipass/devices
            inst_hook pre-udev 10 "$moddir/pcipass.sh"
        }

        """;

    const string DracutScript = """
        #!/bin/sh
        # Written by pcipass boot install: hides functions before their drivers come. What goes wrong stands in the kernel's log, and
        # never stops the start.
        /usr/sbin/pcipass boot apply --early >/dev/null 2>&1 || :

        """;

    // After xenstored, without which it cannot be known who has which function; before anything that starts guests.
    const string UnitText = """
        # Written by pcipass boot install: hides what the initramfs has not, and fails where a line of /etc/pcipass/devices hides nothing.
        [Unit]
        Description=Hide PCI functions from this host's drivers
        ConditionPathExists=/etc/pcipass/devices
        After=xenstored.service xen-init-dom0.service xen.service local-fs.target
        Before=xendomains.service libvirtd.service virtqemud.service virtxend.service libvirt-guests.service

        [Service]
        Type=oneshot
        RemainAfterExit=yes
        ExecStart=@program@ boot apply
        # It loads the driver that holds functions, writes to sysfs, asks xenstore and xl, and looks at all processes. What a restart
        # interrupted is put back here, wherever that file lies: so the file systems stay writable.
        StateDirectory=pcipass
        StateDirectoryMode=0700
        RuntimeDirectory=pcipass
        RuntimeDirectoryMode=0700
        RuntimeDirectoryPreserve=yes
        CapabilityBoundingSet=CAP_SYS_ADMIN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_IPC_LOCK CAP_FOWNER CAP_CHOWN CAP_SYS_MODULE CAP_SYSLOG
        NoNewPrivileges=yes
        ProtectHome=read-only
        ProtectControlGroups=yes
        ProtectHostname=yes
        RestrictAddressFamilies=AF_UNIX AF_NETLINK
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        LockPersonality=yes
        MemoryDenyWriteExecute=yes
        SystemCallArchitectures=native
        # syslog: the kernel's own traces of hot-plugs. What is not foreseen here is refused: a program that is killed leaves its work half done.
        SystemCallFilter=@system-service @module syslog
        SystemCallErrorNumber=EPERM

        [Install]
        WantedBy=multi-user.target

        """;
}
