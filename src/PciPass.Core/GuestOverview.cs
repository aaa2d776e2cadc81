using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>A guest with what it has now and what its configuration says, side by side.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Running">The running guest; null when none of that name runs.</param>
/// <param name="Files">Its configuration files.</param>
/// <param name="Live">The functions that it has, in the order of their addresses, with where it sees them.</param>
/// <param name="Configured">The functions that its files name.</param>
public sealed record GuestOverview(string Name, Guest? Running, ImmutableArray<GuestFile> Files, ImmutableArray<Attachment> Live, ImmutableArray<PciAddress> Configured)
{
    /// <summary>Its definition in libvirt; null without one.</summary>
    public GuestDefinition? Definition { get; private init; }

    /// <summary>How it is virtualised, or will be.</summary>
    public GuestType Type => Running?.Type ?? (Definition is not null ? Definition.Type : Files.IsEmpty ? GuestType.Unknown : Files[0].Type);

    /// <summary>What runs it, or would.</summary>
    public Toolstack Toolstack => Running?.RunBy ?? (Definition is not null ? Toolstack.Libvirt : Toolstack.Xen);

    /// <summary>What its configuration is, for people; empty without one.</summary>
    public string Configuration => Definition?.Source ?? string.Join(", ", Files.Select(file => file.Path));

    /// <summary>What it has and its files do not, and the other way round, in sentences; and what of the files cannot be understood.</summary>
    public ImmutableArray<string> Differences { get; private init; } = [];

    /// <summary>What the toolstack's own command to save or migrate it would do to it; null where it would do it no harm that is known.</summary>
    public PlainSave? PlainSave { get; private init; }

    /// <summary>Every guest that runs or has a file, by name.</summary>
    public static ImmutableArray<GuestOverview> Of(HostSnapshot host)
    {
        var all = ImmutableArray.CreateBuilder<GuestOverview>();
        foreach (var guest in host.Guests)
        {
            all.Add(Of(host, $"{guest.Name}", guest, guest.RunBy == Toolstack.Xen ? [.. host.GuestFiles.Where(file => file.Guest == $"{guest.Name}")] : [],
                guest.RunBy == Toolstack.Libvirt ? host.Definitions.FirstOrDefault(definition => definition.Name == guest.Name) : null));
        }
        foreach (var definition in host.Definitions.Where(definition => !host.Guests.Any(guest => guest.RunBy == Toolstack.Libvirt && guest.Name == definition.Name)))
            all.Add(Of(host, $"{definition.Name}", null, [], definition));
        foreach (var files in host.GuestFiles.GroupBy(file => file.Guest).Where(files => !host.Guests.Any(guest => guest.RunBy == Toolstack.Xen && $"{guest.Name}" == files.Key)))
            all.Add(Of(host, files.Key, null, [.. files], null));
        return [.. all.OrderBy(each => each.Name, StringComparer.Ordinal)];
    }

    static GuestOverview Of(HostSnapshot host, string name, Guest? running, ImmutableArray<GuestFile> files, GuestDefinition? definition)
    {
        ImmutableArray<Attachment> live = running is null ? [] : [.. host.Attachments.Where(attachment => attachment.Guest == running.Start).OrderBy(attachment => attachment.Address)];
        // A device written as * is whatever functions the host has there.
        ImmutableArray<PciAddress> configured = [.. files.SelectMany(file => file.Config.Entries).SelectMany(entry => entry.IsEvery ? entry.Functions.Where(address => host.Find(address) is not null) : entry.Functions).Concat(definition?.Xml.Functions ?? []).Distinct().Order()];
        List<string> differences = [];
        var overview = new GuestOverview(name, running, files, live, configured) { Definition = definition };
        var paths = overview.Configuration;
        if (running is not null && paths.Length > 0 && definition?.Xml.Problem is null)
        {
            foreach (var attachment in live.Where(attachment => !configured.Contains(attachment.Address)))
                differences.Add($"{name} has {attachment.Address}, and {paths} does not name it: it will not have it at its next start");
            foreach (var address in configured.Where(address => !live.Any(attachment => attachment.Address == address)))
                differences.Add($"{paths} names {address}, and {name} does not have it now");
        }
        if (running?.Listed is { } listed)
        {
            foreach (var attachment in live.Where(attachment => !listed.Contains(attachment.Address)))
                differences.Add($"{name} has {attachment.Address}, which libvirt did not give it and does not list: virsh cannot take it");
            foreach (var address in listed.Where(address => !live.Any(attachment => attachment.Address == address)))
                differences.Add($"libvirt lists {address} for {name}, which does not have it: it was taken behind libvirt's back, who forgets it when {name} ends (virsh detach-device crashes libvirt 9.0 then)");
        }
        foreach (var address in configured.Where(address => running is null && host.Find(address) is not null && !host.IsHeld(host.Find(address)!) && definition?.Xml.HostDevices.Any(device => device.Address == address && device.Managed) != true))
            differences.Add($"{paths} names {address}, which is not hidden: {name} cannot start with it");
        foreach (var address in configured.Where(address => host.Find(address) is null))
            differences.Add($"{paths} names {address}, which this host does not have");
        foreach (var file in files)
        {
            if (file.Config.Problem is Formats.ConfigProblem problem)
                differences.Add($"{file.Path}, {problem}: which functions it gives is not known");
            if (file.Config.XlProblem is Formats.ConfigProblem grammar)
                differences.Add($"{file.Path}, {grammar}: xl does not read this file");
            foreach (var entry in file.Config.Entries.Where(entry => entry.XlError is not null))
                differences.Add($"{file.Path}: xl does not take the entry '{entry.Text}': {entry.XlError}");
        }
        if (definition?.Xml.Problem is string unclear)
            differences.Add($"{paths}, {unclear}: which functions it gives is not known");
        if (files.Length > 1)
            differences.Add($"{paths} are each a configuration of {name}");
        return overview with { Differences = [.. differences], PlainSave = running is null ? null : PlainSave.Of(host, running) };
    }
}
