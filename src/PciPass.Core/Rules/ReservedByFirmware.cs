namespace PciPass.Core.Rules;

/// <summary>The firmware goes on using the function's DMA.</summary>
public sealed class ReservedByFirmware : Rule
{
    public override string Code => "reserved-memory";
    public override string Meaning => "The firmware goes on using memory of the host by the function's DMA (an RMRR); in a guest's hands that memory is the guest's to read and write.";
    public override string Source => "Intel Virtualization Technology for Directed I/O, 8.4; Linux refuses such functions for KVM, USB and graphics apart (device_rmrr_is_relaxable in drivers/iommu/intel/iommu.c).";
    public override string Remedy => "Switch the feature off in the firmware that needs it.";
    public override Weights Weights => Weights.Note | Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            foreach (var region in host.Reserved.Where(region => region.Address == function.Address))
            {
                var why = $"the firmware keeps the memory {region.Start:x}-{region.End:x} for it{(region.IsShared ? ", together with other functions" : "")} (RMRR)";
                // For these two the firmware stops using it once a driver has taken over.
                var isRelaxable = function.Class is { Base: 0x0c, Sub: 0x03 } or { Base: 0x03 };
                yield return isRelaxable && !region.IsShared
                    ? Note(function.Address, $"{function.Address} has memory reserved by the firmware", why)
                    : RefuseUnlessAccepted(function.Address, Cannot(function, request), why, $"see the firmware's settings for a way to switch that off (HP: HP Shared Memory Features); or go on with --accept {Code}");
            }
        }
    }
}
