namespace PciPass.Core;

/// <summary>
/// Has libvirt, or xl, move a running guest to another host while it works. The two of them see to it that it runs on one of the two hosts and never on
/// both (libvirt, src/libvirt-domain.c, virDomainMigrateVersion3Full; Xen, tools/xl/xl_migrate.c: the guest here is ended once the other host says that
/// it runs there). Reversed, it goes on here, unless it is there already, which nothing undoes.
/// </summary>
/// <param name="Guest">The guest.</param>
/// <param name="Start">This start of it here.</param>
/// <param name="Host">The other host.</param>
/// <param name="Moved">True: move it; false: keep it here.</param>
public sealed record Transfer(GuestName Guest, GuestStart Start, RemoteHost Host, bool Moved) : Step, IDeparture
{
    public override string Target => Guest.ToString();
    public override Step Reverse() => new Transfer(Guest, Start, Host, !Moved);
    public override bool IsFinal => Moved;
    public override string Text => Moved ? $"transfer {Of} - -> {Host}" : $"transfer {Of} {Host} -> -";
    public override string Sentence => Moved ? $"have {(Start.Toolstack == Toolstack.Xen ? "xl" : "libvirt")} move {Guest} ({Start.Words}) to {Host} (cannot be undone)" : $"let {Guest} ({Start.Words}) go on here";

    string Of => WordOf(Guest, Start);
}

/// <summary>
/// Has the other host's pcipass give a guest that has moved there its functions, or like ones. It is through once that one has answered: what it
/// could not give is for there to be mended, and the guest runs.
/// </summary>
/// <param name="Guest">The guest.</param>
/// <param name="Host">The other host.</param>
/// <param name="Record">What the guest had here (<see cref="SavedGuest"/>).</param>
public sealed record Equip(GuestName Guest, RemoteHost Host, FileContent Record) : Step
{
    public override string Target => Guest.ToString();
    public override Step? Reverse() => null;
    public override bool IsFinal => true;
    public override string Text => $"equip {Guest} {Host} {Record.Name}";
    public override IEnumerable<FileContent> Contents => [Record];
    public override string Sentence => $"have {Host} give {Guest} its functions (cannot be undone)";
}
