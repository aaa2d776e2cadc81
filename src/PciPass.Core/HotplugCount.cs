using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>How often a function was plugged into one start of a guest, and taken out of it, in this boot and within the window.</summary>
/// <param name="Address">The function.</param>
/// <param name="Guest">The guest's start.</param>
/// <param name="Count">Hot-plugs and hot-unplugs together.</param>
/// <param name="ByOthers">Those of them that pcipass' journal does not have.</param>
public sealed record HotplugCount(PciAddress Address, GuestStart Guest, int Count, int ByOthers)
{
    /// <summary>
    /// Counts them: by pcipass' own journal, where each announced act is one, whether it came to an end or not; and by the kernel's log, where
    /// each is in which a guest got a function, whoever did it, as far back as the log goes. What the log has more of was done by others.
    /// </summary>
    /// <param name="operations">The journal.</param>
    /// <param name="bootId">The boot that runs now: a new kernel begins anew.</param>
    /// <param name="since">When the window begins.</param>
    /// <param name="logged">Each function that a guest got, by the kernel's log within the window.</param>
    /// <param name="attached">What guests have now: these have not been taken out again.</param>
    public static ImmutableArray<HotplugCount> Of(IEnumerable<Operation> operations, string bootId, DateTimeOffset since,
        IEnumerable<(PciAddress Address, int DomId)> logged, IEnumerable<Attachment> attached)
    {
        Dictionary<(PciAddress Address, GuestStart Guest), int> own = [], all = [];
        foreach (var operation in operations.Where(operation => operation.BootId == bootId && operation.Began >= since))
        {
            foreach (var mark in operation.Marks.Where(mark => mark.Mark is Mark.Doing or Mark.Undoing))
            {
                if (operation.Steps[mark.Step] is not Plug plug)
                    continue;
                own[(plug.Address, plug.Start)] = own.GetValueOrDefault((plug.Address, plug.Start)) + 1;
            }
        }
        foreach (var each in logged.Select(each => (each.Address, GuestStart.Domain(each.DomId))))
            all[each] = all.GetValueOrDefault(each) + 2;
        foreach (var attachment in attached.Where(attachment => all.ContainsKey((attachment.Address, attachment.Guest))))
            all[(attachment.Address, attachment.Guest)]--;
        return
        [
            .. from each in own.Keys.Union(all.Keys)
               orderby each.Address, each.Guest.Number
               let mine = own.GetValueOrDefault(each)
               let others = Math.Max(0, all.GetValueOrDefault(each) - mine)
               select new HotplugCount(each.Address, each.Guest, mine + others, others),
        ];
    }
}
