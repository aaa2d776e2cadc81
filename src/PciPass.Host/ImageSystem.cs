namespace PciPass.Host;

/// <summary>A system that does not run: mounted below this host's files, to be changed without touching this host.</summary>
/// <param name="host">This host, whose functions the system will find.</param>
/// <param name="root">Where the system is mounted.</param>
public sealed class ImageSystem(HostSystem host, string root) : HostSystem
{
    public override string? Root => root;
    public override SysTree Files { get; } = new ImageTree(host.Files, root);
    public override TimeProvider Clock => host.Clock;
    public override Caller Caller => host.Caller;
    public override string ProgramPath => "/usr/sbin/pcipass";
    public override bool IsInterrupted => host.IsInterrupted;

    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline) =>
        throw new HostFailure($"{program} is not run for a system that does not run");

    /// <summary>This host's program, which sees nothing of the system but the bytes.</summary>
    public override void Filter(string program, IReadOnlyList<string> arguments, Stream input, Action<Stream> read, TimeSpan deadline) => host.Filter(program, arguments, input, read, deadline);

    public override ByteChannel? ConnectXenstore() => null;

    public override byte[] DumpAddresses() => [];
}
