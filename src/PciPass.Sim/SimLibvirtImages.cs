using System.Buffers.Binary;
using System.Text;
using PciPass.Core.Formats;

namespace PciPass.Sim;

/// <summary>
/// libvirt's driver for QEMU writes guests into images and starts them from those (src/qemu/qemu_driver.c, qemuDomainSaveInternal and
/// qemuDomainRestoreFlags). It goes on with both when whoever asked has gone.
/// </summary>
sealed class SimLibvirtImages(SimHost host, Func<SimQemu, string> describe)
{
    const int Running = 1, Paused = 3, ForMigration = 2, ForSave = 3;

    static readonly TimeSpan Time = TimeSpan.FromSeconds(3);

    /// <summary>Why QEMU cannot write a guest; null where it can.</summary>
    public string? Refusal { get; set; }

    readonly Dictionary<string, QemuPlan> plans = [];
    readonly HashSet<SimQemu> beingSaved = [], beingStarted = [];

    /// <summary>virDomainState, and the reason.</summary>
    public (int State, int Reason) StateOf(SimQemu qemu) => beingSaved.Contains(qemu) ? (Paused, ForSave) : beingStarted.Contains(qemu) ? (Paused, ForMigration) : (Running, 1);

    public SimLibvirt.Refusal? Save(SimQemu qemu, string path)
    {
        if ((qemu.Devices.Count > 0 ? "cannot migrate domain: VFIO device doesn't support migration" : Refusal) is string why)
            return new(SimLibvirt.OperationFailed, why);
        SimLibvirt.Refusal? refusal = null;
        host.Change($"libvirt save {qemu.Name} {path}", () =>
        {
            if (!host.WriteImage(path, Image(qemu, isWhole: false)))
            {
                refusal = new(38, $"Failed to create file '{path}': No such file or directory");
                return;
            }
            beingSaved.Add(qemu);
            host.Clock.After(Time, () => Finish(qemu, path));
        });
        if (refusal is null)
            host.Clock.Advance(Time);
        return refusal;
    }

    void Finish(SimQemu qemu, string path)
    {
        // The host may have restarted meanwhile.
        if (!beingSaved.Remove(qemu) || qemu.HasEnded)
            return;
        host.WriteImage(path, Image(qemu, isWhole: true));
        plans[qemu.Name] = qemu.Plan;
        host.EndQemu(qemu.Name);
    }

    public SimLibvirt.Refusal? Start(string path)
    {
        if (host.ReadImage(path) is not byte[] bytes)
            return new(38, $"Failed to open file '{path}': No such file or directory");
        if (LibvirtImage.Parse(bytes) is not { Xml.Name: string name } image || !plans.TryGetValue(name, out var plan))
            return new(SimLibvirt.OperationFailed, "image magic is incorrect");
        if (!image.IsWhole)
            return new(SimLibvirt.OperationFailed, "save image is incomplete");
        if (host.Qemus.Any(qemu => qemu.Plan.IsLibvirts && qemu.Name == name))
            return new(SimLibvirt.InvalidOperation, $"Requested operation is not valid: domain '{name}' is already active");
        host.Change($"libvirt restore {path}", () =>
        {
            var qemu = host.StartQemu(plan);
            beingStarted.Add(qemu);
            host.Clock.After(Time, () => beingStarted.Remove(qemu));
        });
        host.Clock.Advance(Time);
        return null;
    }

    byte[] Image(SimQemu qemu, bool isWhole)
    {
        var xml = Encoding.UTF8.GetBytes(describe(qemu));
        var bytes = new byte[92 + xml.Length + 1 + (isWhole ? 4096 : 0)];
        Encoding.ASCII.GetBytes(isWhole ? "LibvirtQemudSave" : "LibvirtQemudPart", bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(16), 2);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(20), xml.Length + 1);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(24), 1);
        xml.CopyTo(bytes, 92);
        return bytes;
    }
}
