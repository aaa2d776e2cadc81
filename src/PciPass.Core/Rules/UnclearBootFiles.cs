namespace PciPass.Core.Rules;

/// <summary>A file of others that would have to be changed cannot be.</summary>
public sealed class UnclearBootFiles : Rule
{
    public override string Code => "unclear-boot-files";
    public override string Meaning => "A file of modprobe's or the boot loader's holds something that cannot be changed without guessing, or a list that the kernel would drop.";
    public override string Source => "modprobe.d(5); Linux: pcistub_init in drivers/xen/xen-pciback/pci_stub.c; GRUB: util/grub.d/20_linux_xen.in.";
    public override string Remedy => "Change the line that is named by hand.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb is not (Verb.Hide or Verb.Unhide) || !request.IsBoot)
            return [];
        var subject = string.Join(", ", request.Functions);
        return BootPlanner.Plan(host, request).Problems.Select(problem => Refuse(subject, $"{subject} cannot be {(request.Verb == Verb.Hide ? "hidden" : "unhidden")} at the next start", problem.Why, problem.Remedy));
    }
}
