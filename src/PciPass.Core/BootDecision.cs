using System.Collections.Immutable;
using PciPass.Core.Formats;
using PciPass.Core.Rules;

namespace PciPass.Core;

/// <summary>What a line of /etc/pcipass/devices means on the host as it is: which function, or why none. Pure; the same at every start, in status and in verify.</summary>
/// <param name="Kept">The line.</param>
/// <param name="Function">The function that it means; null when it means none.</param>
/// <param name="Why">Why none, or what is worth knowing; empty otherwise.</param>
public sealed record BootDecision(KeptFunction Kept, PciFunction? Function, string Why)
{
    /// <summary>What each line means, in the order of the file.</summary>
    public static ImmutableArray<BootDecision> Of(DeviceList devices, IReadOnlyDictionary<PciAddress, PciFunction> functions, Hypervisor hypervisor)
    {
        HashSet<PciAddress> meant = [];
        var decisions = ImmutableArray.CreateBuilder<BootDecision>();
        foreach (var kept in devices.Functions)
        {
            var decision = Of(kept, functions, hypervisor);
            if (decision.Function is PciFunction function && !meant.Add(function.Address))
                decision = new BootDecision(kept, null, $"an earlier line means {function.Address} already");
            decisions.Add(decision);
        }
        return decisions.ToImmutable();
    }

    static BootDecision Of(KeptFunction kept, IReadOnlyDictionary<PciAddress, PciFunction> functions, Hypervisor hypervisor)
    {
        if (hypervisor == Hypervisor.XenGuest)
            return Refuse("this kernel is a guest of Xen, and has nothing to give away");
        if (kept.Driver == DriverName.Pciback && hypervisor != Hypervisor.XenDom0)
            return Refuse("there is no Xen below this kernel, and pciback holds functions only there");
        if (kept.Driver == DriverName.VfioPci && hypervisor == Hypervisor.XenDom0)
            return Refuse("this is Xen's dom0, where vfio-pci has no IOMMU to work with");

        var here = functions.GetValueOrDefault(kept.Address);
        var difference = here is null ? "no function answers there" : kept.Identity.DifferenceTo(here.Identity);
        if (difference is null)
            return Found(here!, "");
        // What sits below the same bridges, is the same chip and has no other serial number is the same function at another bus number.
        var moved = functions.Values.Where(function => kept.Identity.DifferenceTo(function.Identity) is null).ToArray();
        if (moved is [var one])
        {
            return kept.IfMoved == MovePolicy.Follow
                ? Found(one, $"bus numbers have moved: it was at {kept.Address}")
                : Refuse($"bus numbers have moved: it is at {one.Address} now, and the line says if-moved=refuse");
        }
        return Refuse(moved.Length == 0 ? difference : $"{difference}; and {moved.Length} functions look like it: {string.Join(", ", moved.Select(function => function.Address))}");

        BootDecision Refuse(string why) => new(kept, null, why);

        BootDecision Found(PciFunction function, string why) =>
            NotPassable.ReasonAgainst(function) is string reason ? Refuse($"{function.Address} is {reason}") : new BootDecision(kept, function, why);
    }
}
