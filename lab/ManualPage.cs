using System.CommandLine;
using System.Text;
using PciPass.Cli;
using PciPass.Core.Rules;
using PciPass.Sim;

namespace PciPass.Lab;

/// <summary>The manual pages in man(7): commands and options from the tree of commands, reasons from the catalogue of rules.</summary>
static class ManualPage
{
    static readonly string Version = typeof(CommandLine).Assembly.GetName().Version!.ToString(3);

    public static string OfTheCommand()
    {
        var root = CommandLine.Create(new Session(SimHost.Xen(), new Terminal(TextWriter.Null, TextWriter.Null, HasColour: false))).Root;
        var page = new StringBuilder();
        Title(page, "PCIPASS", 8);
        page.Append("""
            .SH NAME
            pcipass \- give PCI functions of this host to guests, and take them back
            .SH SYNOPSIS

            """);
        foreach (var (name, command) in Leaves(root, ""))
            page.Append($".B pcipass {Escape(name)}\n{Escape(Synopsis(command))}\n.br\n");
        page.Append("""
            .SH DESCRIPTION
            .B pcipass
            takes a PCI function from a virtualization host, gives it to exactly one guest, and takes it back.
            It looks first: what the host uses stays, and every refusal says why and what to do.
            It writes each former value to disk before the step that changes it, reads back after each step, undoes what failed, and ends after a
            crash what was begun.
            .PP
            On Xen it needs an IOMMU in use, the module
            .B xen\-pciback
            loaded
            .RB ( "modprobe xen\-pciback" )
            and
            .BR xl (1).
            A guest that is to get functions while it runs must have been started with
            .B passthrough="enabled"
            in its configuration, a PV guest with
            .B e820_host=1
            too, and must have loaded
            .BR xen\-pcifront .
            .PP
            A function is named by
            .IR DEV :
            its address
            .RB ( 09:00.0 " or " 0000:09:00.0 ,
            hexadecimal), a name that the kernel gives to what hangs on it
            .RB ( eth1 ", " nvme0n1 ", " card1 ),
            or libvirt's name of it
            .RB ( pci_0000_09_00_0 ).
            .SH COMMANDS

            """);
        foreach (var (name, command) in Leaves(root, ""))
        {
            page.Append($".SS \"pcipass {Escape(name)} {Escape(Synopsis(command))}\"\n{Escape(command.Description ?? "")}\n");
            foreach (var argument in command.Arguments.Where(argument => !argument.Hidden && argument.Description is not null))
                page.Append($".TP\n.I {Escape(argument.Name)}\n{Escape(argument.Description!)}\n");
            WriteOptions(page, command);
        }
        page.Append(".SH OPTIONS OF ALL COMMANDS\n");
        WriteOptions(page, root);
        page.Append("""
            .SH REASONS
            A refusal names its reason by a code in brackets. These are all.
            Where a refusal says so,
            .BI \-\-accept " CODE"
            goes on all the same, for that one reason.

            """);
        foreach (var rule in Catalogue.All)
            page.Append($".TP\n.B {Escape(rule.Code)}\n{Escape(rule.Meaning)}\n");
        page.Append("""
            .SH EXIT STATUS
            .TP
            .B 0
            Done.
            .TP
            .B 1
            Refused; nothing was changed.
            .TP
            .B 2
            Wrong command line.
            .TP
            .B 3
            Failed, and everything undone; or done, as is said, and what follows it (initramfs, boot menu, unit) failed.
            .TP
            .B 4
            Stuck between two states: a person decides, then
            .BR "pcipass recover" .
            .TP
            .B 5
            Waiting for a guest that has not let go;
            .B pcipass recover
            goes on.
            .SH FILES
            .TP
            .I /etc/pcipass/devices
            What stays hidden over restarts; see
            .BR pcipass\-devices (5).
            .TP
            .I /var/lib/pcipass/journal/
            One readable text file for each operation. Mode 0700.
            .TP
            .I /var/lib/pcipass/original/
            Each file of others as it was before pcipass changed it for the first time.
            .TP
            .I /run/pcipass/lock
            The lock that lets one writer at a time act. Commands that only look take none.
            .SH PRIVILEGES
            .BR list ", " show ", " check ", " rules " and every " \-\-dry\-run
            can be run by any user. What only root can read is then told on standard error as not known, and never taken for absent.
            Whatever changes the host needs root. No part of pcipass is setuid.
            .SH EXAMPLES
            See what there is, and what speaks against a card:
            .PP
            .RS
            .nf
            pcipass list
            pcipass check eth1 \-\-guest web1
            .fi
            .RE
            .PP
            Give the card to the running guest, see it there, and take it back:
            .PP
            .RS
            .nf
            pcipass attach eth1 web1 \-\-dry\-run
            pcipass attach eth1 web1
            pcipass status
            pcipass detach eth1 web1
            .fi
            .RE
            .PP
            Keep a graphics card and its audio function from the host, now and after every restart, and undo that:
            .PP
            .RS
            .nf
            pcipass hide 01:00.0 01:00.1
            pcipass unhide 01:00.0 01:00.1
            .fi
            .RE
            .PP
            Look at a host from afar:
            .PP
            .RS
            .nf
            pcipass capture host.tar
            pcipass list \-\-host host.tar
            .fi
            .RE
            .SH SEE ALSO
            .BR pcipass\-devices (5),
            .BR xl (1),
            .BR xl.cfg (5),
            .BR lspci (8)

            """);
        return page.ToString();
    }

    public static string OfTheDeviceList()
    {
        var page = new StringBuilder();
        Title(page, "PCIPASS-DEVICES", 5);
        page.Append("""
            .SH NAME
            pcipass\-devices \- PCI functions that stay hidden from this host's drivers over restarts
            .SH SYNOPSIS
            .I /etc/pcipass/devices
            .SH DESCRIPTION
            Each line stands for one function, in the manner of
            .BR crypttab (5).
            Blank lines, and everything behind a
            .BR # ,
            mean nothing.
            .B pcipass hide
            adds a line, and
            .B pcipass unhide
            takes it out; other lines and comments stay as they are, byte by byte.
            When the host starts,
            .B pcipass boot apply
            compares each line with what is there before it binds anything: in the initramfs, before the drivers, and once more by the unit
            .BR pcipass\-boot.service .
            Where they differ, nothing of that line is hidden; the kernel's log,
            .B pcipass status
            and the exit status say so.
            A line that cannot be understood is told with its number and column, and hides nothing; the other lines count.
            .PP
            The fields are separated by blanks:
            .TP
            .I address
            Where the function was: segment:bus:device.function, hexadecimal.
            .TP
            .I identity
            What it was: its way down the tree of bridges, by device and function numbers, behind the root bus; vendor, device and the board's two
            ids; its serial number, or a dash. With commas between, and no blanks. This is compared, not the address alone: bus numbers move when
            cards are added.
            .TP
            .I driver
            Which driver holds it for guests:
            .B pciback
            on Xen,
            .B vfio\-pci
            elsewhere.
            .TP
            .I options
            With commas between; may be left out.
            .RS
            .TP
            .B if\-moved=refuse
            Hide nothing when the function is no longer at its address. This is what holds without an option.
            .TP
            .B if\-moved=follow
            Look for it by its way down the tree of bridges and its ids, and hide it where it is now.
            .TP
            .BR method=initramfs ", " method=modprobe ", " method=cmdline
            What hides it early: pcipass in the initramfs (this holds without an option), a line in
            .IR /etc/modprobe.d ,
            or the kernel's command line.
            .RE
            .SH EXAMPLE
            .nf
            0000:09:00.0  0000:00/05.0/00.0,8086:10d3:8086:0000,525400ffff090000  pciback  if\-moved=refuse  # Intel 82574L
            .fi
            .SH REASONS
            What
            .B pcipass
            may hold against a request because of this file:

            """);
        foreach (var rule in Catalogue.All.Where(rule => rule.Code is "damaged-device-list" or "kept-for-another" or "other-identity" or "not-at-boot"))
            page.Append($".TP\n.B {Escape(rule.Code)}\n{Escape(rule.Meaning)}\n");
        page.Append("""
            .SH SEE ALSO
            .BR pcipass (8)

            """);
        return page.ToString();
    }

    /// <summary>Without a date: the same sources give the same page.</summary>
    static void Title(StringBuilder page, string name, int section) =>
        page.Append($".\\\" Written by ./build pages from the tree of commands and the catalogue of rules.\n.TH {name} {section} \"\" \"pcipass {Version}\" \"System administration\"\n");

    /// <summary>The commands that do something, each with the words that lead to it.</summary>
    static IEnumerable<(string Name, Command Command)> Leaves(Command command, string above)
    {
        foreach (var below in command.Subcommands.Where(below => !below.Hidden))
        {
            var name = above.Length == 0 ? below.Name : $"{above} {below.Name}";
            if (below.Subcommands.Count == 0)
                yield return (name, below);
            foreach (var leaf in Leaves(below, name))
                yield return leaf;
        }
    }

    static string Synopsis(Command command)
    {
        List<string> words = [];
        foreach (var argument in command.Arguments.Where(argument => !argument.Hidden))
        {
            var word = argument.Arity.MaximumNumberOfValues > 1 && !argument.Name.Contains("...", StringComparison.Ordinal) ? $"{argument.Name}..." : argument.Name;
            words.Add(argument.Arity.MinimumNumberOfValues == 0 ? $"[{word}]" : word);
        }
        foreach (var option in command.Options.Where(option => !option.Hidden))
            words.Add($"[{option.Name}{(option.HelpName is string value ? $" {value}" : "")}]");
        return string.Join(' ', words);
    }

    static void WriteOptions(StringBuilder page, Command command)
    {
        foreach (var option in command.Options.Where(option => !option.Hidden))
        {
            var names = string.Join(", ", option.Aliases.Prepend(option.Name).Where(name => !name.StartsWith('/')));
            page.Append($".TP\n.B {Escape(names)}{(option.HelpName is string value ? $" \\fI{Escape(value)}\\fR" : "")}\n{Escape(option.Description ?? "")}\n");
        }
    }

    /// <summary>Text as man(7) takes it: a dash that is one, a backslash, and no line that begins like a request.</summary>
    static string Escape(string text)
    {
        var escaped = text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal).Replace("\"", "\\(dq", StringComparison.Ordinal).Replace("→", "\\->", StringComparison.Ordinal);
        return escaped is ['.' or '\'', ..] ? $"\\&{escaped}" : escaped;
    }
}
