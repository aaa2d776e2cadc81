using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>
/// What follows from the journal: which functions pcipass hides and what they had before, and which operations have not ended.
/// The journal is the only record; nothing is kept twice.
/// </summary>
public static class Ledger
{
    /// <summary>The functions taken from the host in this boot and not given back; sysfs forgets the rest at a restart.</summary>
    public static ImmutableArray<Taken> Taken(IEnumerable<Operation> operations, string bootId)
    {
        var taken = new SortedDictionary<PciAddress, Taken>();
        foreach (var operation in operations.Where(operation => operation.BootId == bootId && operation.Ending == Ending.Done).OrderBy(operation => operation.Number))
        {
            foreach (var step in operation.Steps.OfType<FunctionStep>())
            {
                if (IsHolderOf(operation, step) is not bool isHeld)
                    continue;
                if (!isHeld)
                {
                    taken.Remove(step.Address);
                    continue;
                }
                // Unbound by hand meanwhile, and now hidden anew: what it had is what it had the first time.
                var driver = operation.Steps.OfType<Rebind>().FirstOrDefault(rebind => rebind.Address == step.Address && rebind.To is null)?.From;
                if (driver is null && taken.ContainsKey(step.Address))
                    continue;
                var was = operation.Steps.OfType<SetDriverOverride>().FirstOrDefault(set => set.Address == step.Address);
                taken[step.Address] = new Taken(step.Address, driver, was is null ? HolderOf(step) : was.From,
                    operation.Steps.OfType<SetSlot>().Any(slot => slot.Address == step.Address && !slot.Reserved), operation.Identities[step.Address],
                    operation.Request.Verb == Verb.Attach ? operation.Request.Guest : null, operation.Number)
                {
                    Names = [.. operation.Names.Where(name => name.Value == step.Address).Select(name => name.Key)],
                };
            }
        }
        return [.. taken.Values];
    }

    /// <summary>Whether a step gives a function to what holds it for guests (true), or takes it from there (false); null for any other step.</summary>
    static bool? IsHolderOf(Operation operation, FunctionStep step) => (step, operation.Request.Verb) switch
    {
        (SetAssignable assignable, _) => assignable.Assignable,
        // On Xen vfio-pci may have been the driver before, which comes and goes in the other direction.
        (Rebind { To: DriverName to }, Verb.Hide or Verb.Attach) when to == DriverName.VfioPci => true,
        (Rebind { From: DriverName from }, Verb.Unhide or Verb.Detach) when from == DriverName.VfioPci => false,
        _ => null,
    };

    static DriverName HolderOf(FunctionStep step) => step is SetAssignable ? DriverName.Pciback : DriverName.VfioPci;

    /// <summary>The risks that were accepted for each function since it was last with the host.</summary>
    public static ImmutableDictionary<PciAddress, ImmutableSortedSet<string>> Accepted(IEnumerable<Operation> operations, string bootId)
    {
        var accepted = ImmutableDictionary.CreateBuilder<PciAddress, ImmutableSortedSet<string>>();
        foreach (var operation in operations.Where(operation => operation.BootId == bootId && operation.Ending == Ending.Done).OrderBy(operation => operation.Number))
        {
            foreach (var function in operation.Request.Functions)
            {
                if (operation.Request.Verb is Verb.Hide or Verb.Attach && operation.Request.Accepted.Count > 0)
                    accepted[function] = accepted.GetValueOrDefault(function, []).Union(operation.Request.Accepted);
                else if (operation.Steps.OfType<FunctionStep>().Any(step => step.Address == function && IsHolderOf(operation, step) == false))
                    accepted.Remove(function);
            }
        }
        return accepted.ToImmutable();
    }

    /// <summary>The functions of operations that have not ended.</summary>
    public static ImmutableArray<Unfinished> Unfinished(IEnumerable<Operation> operations) =>
    [
        .. from operation in operations
           where operation.Ending == Ending.None
           from function in operation.Request.Functions
           select new Unfinished(function, operation.Number, operation.Request.VerbName, operation.State),
    ];
}
