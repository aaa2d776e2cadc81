namespace PciPass.Core;

/// <summary>How far a function's DMA would be kept from all that is not its guest's.</summary>
public enum Confinement
{
    /// <summary>It could not be found out.</summary>
    Unknown,

    /// <summary>Its DMA reaches its guest's memory and nothing else.</summary>
    Confined,

    /// <summary>Other functions are within its reach, past the IOMMU.</summary>
    Shared,

    /// <summary>Nothing keeps its DMA or its interrupts from the host.</summary>
    Unconfined,
}

/// <summary>The words of <see cref="Confinement"/>.</summary>
public static class ConfinementWords
{
    public static string Word(this Confinement grade) =>
        grade switch
        {
            Confinement.Confined => "confined",
            Confinement.Shared => "shared",
            Confinement.Unconfined => "unconfined",
            _ => "unknown",
        };
}

/// <summary>
/// Which functions can reach each other past the IOMMU. On plain Linux the kernel's IOMMU groups say it. In a Xen dom0 there are none,
/// and Xen does not look: there it is decoded from the configuration spaces, by the rules that Linux makes its groups by
/// (pci_device_group in drivers/iommu/iommu.c, pci_acs_enabled in drivers/pci/pci.c).
/// </summary>
public sealed class Isolation
{
    readonly HostSnapshot host;
    readonly Dictionary<PciAddress, PciAddress> parents = [];
    readonly Dictionary<PciAddress, string> reasons = [];
    readonly ILookup<PciAddress, PciFunction> groups;
    readonly ILookup<(int, int, int), PciFunction> slots;
    readonly ILookup<PciAddress, PciFunction> downstreamPorts;

    public Isolation(HostSnapshot host)
    {
        this.host = host;
        slots = host.Functions.Values.Where(function => function.IsMultiFunction && function.PhysicalFunction is null).ToLookup(Slot);
        downstreamPorts = host.Functions.Values.Where(function => function is { ExpressType: PciExpressType.DownstreamPort, Parent: not null }).ToLookup(function => function.Parent!.Value);
        var groupsOfKernel = host.GroupsAreOverridden ? [] : host.Functions.Values.Where(function => function.IommuGroup is not null).GroupBy(function => function.IommuGroup!.Value);
        foreach (var group in groupsOfKernel)
        {
            var first = group.First().Address;
            foreach (var function in group.Skip(1))
                Join(first, function.Address, $"they are in one IOMMU group ({group.Key})");
        }
        foreach (var function in host.Functions.Values)
        {
            if ((function.IommuGroup is null || host.GroupsAreOverridden) && !function.IsHeaderOnly)
                JoinWithNeighbours(function);
        }
        groups = host.Functions.Values.ToLookup(function => Root(function.Address));
    }

    /// <summary>The other functions, bridges and ports apart, that one function can reach past the IOMMU, and that can reach it.</summary>
    public IEnumerable<PciFunction> NeighboursOf(PciFunction function) =>
        groups[Root(function.Address)].Where(other => other.Address != function.Address && other.HeaderType == 0 && !other.Class.IsHostBridge);

    /// <summary>Why a function cannot be kept apart from its neighbours, in words.</summary>
    public string ReasonOf(PciAddress address) => reasons.GetValueOrDefault(Root(address), "");

    /// <summary>
    /// The topmost bridge above with a conventional bus below it, whose number all requests from there carry; or the function that hides
    /// others behind it in a segment of their own and signs for them (Intel VMD, pci_real_dma_dev in arch/x86/pci/common.c). Null where
    /// PCI Express goes all the way.
    /// </summary>
    public PciFunction? RequesterOf(PciFunction function) => function.IsHeaderOnly
        ? null
        : host.BridgesAbove(function).LastOrDefault(bridge => bridge.HeaderType == 0 || bridge.ExpressType is null or PciExpressType.ExpressToPciBridge or PciExpressType.PciToExpressBridge);

    /// <summary>How well a function would be confined, with the reason in words.</summary>
    public (Confinement Grade, string Reason) GradeOf(PciFunction function)
    {
        if (host.Iommu == IommuState.Absent)
            return (Confinement.Unconfined, $"no IOMMU is in use ({host.IommuReason})");
        if (host.InterruptRemapping == IommuState.Absent)
            return (Confinement.Unconfined, $"interrupts are not remapped ({host.InterruptRemappingReason})");
        if (host.Iommu == IommuState.Unknown)
            return (Confinement.Unknown, $"whether an IOMMU is in use is not known ({host.IommuReason})");
        if (function.IsHeaderOnly && function.IommuGroup is null)
            return (Confinement.Unknown, "only root can read the capabilities of the configuration space");
        var neighbours = NeighboursOf(function).ToArray();
        return neighbours.Length == 0
            ? (Confinement.Confined, "")
            : (Confinement.Shared, $"with {Listed(neighbours.Select(other => other.Address))}: {ReasonOf(function.Address)}");
    }

    /// <summary>What a hostile guest would reach with a function, in words: the host, other guests, or nothing beside itself.</summary>
    public string ReachOf(PciFunction function)
    {
        switch (GradeOf(function).Grade)
        {
            case Confinement.Confined:
                return "a hostile guest reaches its own memory and nothing else";
            case Confinement.Unconfined:
                return host.Guests.IsEmpty ? "a hostile guest reaches all of the host" : "a hostile guest reaches all of the host, and by that every guest";
            case Confinement.Unknown:
                return "what a hostile guest reaches is not known";
            default:
                var reached = NeighboursOf(function).GroupBy(OwnerOf).Select(group => $"{Listed(group.Select(other => $"{other.Address} ({other.Class.Name})"))} of {group.Key}");
                return $"a hostile guest reaches {string.Join(", ", reached)}";
        }
    }

    string OwnerOf(PciFunction function) =>
        host.FindAttachment(function.Address) is Attachment attachment ? $"guest {host.FindGuest(attachment.Guest)!.Name}"
        : host.IsHeld(function) ? "nobody (hidden)"
        : function.Driver is null && !function.Class.IsBridge && !function.Class.IsSmBus ? "nobody (no driver)" : "the host";

    /// <summary>At most four of them, and how many more.</summary>
    public static string Listed<T>(IEnumerable<T> items)
    {
        var all = items.ToArray();
        return all.Length <= 4 ? string.Join(", ", all) : $"{string.Join(", ", all.Take(4))} and {all.Length - 4} more";
    }

    void JoinWithNeighbours(PciFunction function)
    {
        var at = function;
        if (RequesterOf(function) is PciFunction requester)
        {
            Join(requester.Address, function.Address, $"behind the bridge {requester.Address} all requests carry one number");
            at = requester;
        }
        // Below the nearest port from which everything upwards isolates, all is one.
        foreach (var bridge in host.BridgesAbove(at).ToArray())
        {
            if (host.BridgesAbove(bridge).Prepend(bridge).All(above => IsolatesBehind(above)))
                break;
            Join(bridge.Address, at.Address, $"the port {bridge.Address} does not isolate what is behind it ({AccessControlText(bridge)})");
            at = bridge;
        }
        if (!at.IsMultiFunction || IsolatesBeside(at))
            return;
        foreach (var other in slots[Slot(at)].Where(other => other.Address != at.Address && !IsolatesBeside(other)))
            Join(at.Address, other.Address, $"the functions of one device are not isolated from each other ({AccessControlText(at)})");
    }

    static string AccessControlText(PciFunction function) => function.AccessControl is AccessControl control ? $"its ACS: {control}" : "it has no ACS";

    bool IsolatesBehind(PciFunction bridge) => AccessControlQuirks.Isolates(bridge) || bridge.ExpressType switch
    {
        PciExpressType.RootPort or PciExpressType.DownstreamPort => bridge.AccessControl is { Isolates: true },
        // What enters a switch by a port that does not isolate turns round in it. (Linux leaves such ports apart, so its groups are kept to.)
        PciExpressType.UpstreamPort => (!bridge.IsMultiFunction || bridge.AccessControl is { Isolates: true }) && downstreamPorts[bridge.Address].All(IsolatesBehind),
        _ => false,
    };

    static bool IsolatesBeside(PciFunction function) => AccessControlQuirks.Isolates(function) || function.ExpressType switch
    {
        PciExpressType.RootPort or PciExpressType.DownstreamPort or PciExpressType.UpstreamPort or PciExpressType.Endpoint or PciExpressType.LegacyEndpoint
            or PciExpressType.RootComplexEndpoint => function.AccessControl is { Isolates: true },
        _ => false,
    };

    static (int, int, int) Slot(PciFunction function) => (function.Address.Segment, function.Address.Bus, function.Address.Device);

    PciAddress Root(PciAddress address)
    {
        while (parents.TryGetValue(address, out var parent))
            address = parent;
        return address;
    }

    void Join(PciAddress one, PciAddress other, string reason)
    {
        var (a, b) = (Root(one), Root(other));
        if (a == b)
            return;
        if (a.CompareTo(b) > 0)
            (a, b) = (b, a);
        parents[b] = a;
        reasons.TryAdd(a, reasons.GetValueOrDefault(b, reason));
    }
}
