namespace PciPass.Core;

/// <summary>
/// One change of the host, as data: what it changes, from what, to what. Undoing it is the same step reversed. Each is one act of
/// the kernel or the toolstack, so that after a crash the host is at From or at To, and it can be read which.
/// </summary>
/// <remarks>
/// The text form is the line of the journal and of <c>--dry-run</c>: a verb, the function, and <c>from -> to</c>, where a dash
/// stands for none.
/// </remarks>
public abstract record Step
{
    /// <summary>What it changes: a function's address, or a file's path.</summary>
    public abstract string Target { get; }

    /// <summary>The step that undoes this one; null when nothing can, in which case it is the last of its plan.</summary>
    public abstract Step? Reverse();

    /// <summary>
    /// Whether it is a point of no return: once the host is seen behind it, nothing undoes it, and the operation goes on to its end, however
    /// it was interrupted. Behind the first such step of a plan are only such steps.
    /// </summary>
    public virtual bool IsFinal => false;

    /// <summary>The text form; <see cref="Parse"/> reads it.</summary>
    public abstract string Text { get; }

    /// <summary>The act in words, for people.</summary>
    public abstract string Sentence { get; }

    /// <summary>The contents that <see cref="Text"/> names: they stand in the journal as well.</summary>
    public virtual IEnumerable<FileContent> Contents => [];

    public sealed override string ToString() => Text;

    /// <param name="line">The text form.</param>
    /// <param name="contents">The contents of files that the line may name.</param>
    /// <exception cref="FormatException">The line is no step; the message quotes it.</exception>
    public static Step Parse(string line, IReadOnlyDictionary<string, FileContent>? contents = null)
    {
        var words = line.Split(' ');
        switch (words)
        {
            case ["edit", ['/', ..] path, var before, "->", var after] when before != after:
                return new EditFile(path, Content(before), Content(after));
            case ["module", var module, ("no" or "yes") and var was, "->", ("no" or "yes") and var will] when was != will && LoadModule.IsName(module):
                return new LoadModule(module, will == "yes");
            case ["network", var function, var name, var was, "->", var will] when PciAddress.TryParse(function, out var owner) && (was == "-") != (will == "-") && SetNetwork.IsName(name):
                return new SetNetwork(owner, name, Settings(was), Settings(will));
            case ["save", ['/', ..] image, "-", "->", var guest] when TryGuest(guest, out var name, out var domId):
                return new SaveGuest(image, name, domId, Saved: true);
            case ["save", ['/', ..] image, var guest, "->", "-"] when TryGuest(guest, out var name, out var domId):
                return new SaveGuest(image, name, domId, Saved: false);
            case ["end", var guest] when TryGuest(guest, out var name, out var domId):
                return new EndGuest(name, domId);
            case ["shelve", ['/', ..] image, "-", "->", var guest] when TryStart(guest, Toolstack.Libvirt, out var name, out var start):
                return new Shelve(image, name, start, Shelved: true);
            case ["shelve", ['/', ..] image, var guest, "->", "-"] when TryStart(guest, Toolstack.Libvirt, out var name, out var start):
                return new Shelve(image, name, start, Shelved: false);
            case ["transfer", var guest, var was, "->", var will] when (was == "-") != (will == "-") && TryStart(guest, null, out var name, out var start) && start.Toolstack != Toolstack.Qemu:
                return new Transfer(name, start, RemoteHost.Parse(was == "-" ? will : was), Moved: was == "-");
            case ["equip", var guest, var to, var record] when GuestName.TryParse(guest, out var name) && Content(record) is FileContent what:
                return new Equip(name, RemoteHost.Parse(to), what);
            case ["start", var guest, ['/', ..] image] when GuestReference.TryParse(guest, out var reference) && reference.Toolstack is null or Toolstack.Libvirt:
                return new StartGuest(reference.Name, image, reference.Toolstack ?? Toolstack.Xen);
            case ["send", ['/', ..] image, var was, "->", var will] when (was == "-") != (will == "-"):
                return new SendGuest(image, RemoteHost.Parse(was == "-" ? will : was), Sent: was == "-");
            case ["hand", var guest, ['/', ..] image, var was, "->", var will] when (was == "-") != (will == "-") && GuestName.TryParse(guest, out var name):
                return new HandOver(name, image, RemoteHost.Parse(was == "-" ? will : was), Handed: was == "-");
            case ["drop", ['/', ..] image]:
                return new DropImage(image);
        }
        if (words.Length >= 2 && PciAddress.TryParse(words[1], out var address))
        {
            switch (words)
            {
                case ["probe", _]:
                    return new Probe(address);
                case ["rebind", _, var from, "->", var to] when (from == "-") != (to == "-"):
                    return new Rebind(address, Driver(from), Driver(to));
                case ["driver_override", _, var from, "->", var to]:
                    return new SetDriverOverride(address, Driver(from), Driver(to));
                case ["assignable", _, ("no" or "yes") and var from, "->", ("no" or "yes") and var to] when from != to:
                    return new SetAssignable(address, to == "yes");
                case ["slot", _, ("no" or "yes") and var from, "->", ("no" or "yes") and var to] when from != to:
                    return new SetSlot(address, to == "yes");
                case ["configure", _, var guest, var from, "->", var to] when (from == "-") != (to == "-") && GuestReference.TryParse(guest, out var owner) && owner.Toolstack == Toolstack.Libvirt:
                    return new Configure(address, owner.Name, Content(from), Content(to));
                case ["plug", _, "-", "->", var guest]:
                    return Plug(address, guest, plugged: true);
                case ["plug", _, var guest, "->", "-"]:
                    return Plug(address, guest, plugged: false);
            }
        }
        throw new FormatException($"\"{line}\" is no step of a plan");

        FileContent? Content(string word) => word == "-" ? null
            : contents?.GetValueOrDefault(word) ?? throw new FormatException($"the content {word} of a file is not there");

        NetworkSettings? Settings(string word) => Content(word) is FileContent content ? NetworkSettings.Parse(content.Text) : null;

        static DriverName? Driver(string word) => word == "-" ? null : DriverName.Parse(word.Replace(Blank, " ", StringComparison.Ordinal));

        static Plug Plug(PciAddress address, string word, bool plugged) =>
            TryStart(word, null, out var guest, out var start) ? new Plug(address, guest, start, plugged)
                : throw new FormatException($"\"{word}\" is no start of a guest, like web1/3 or qemu:web1/4711.88123");

        // Xen's guests stand there without a word before them, as in journals from before there were others.
        static bool TryStart(string word, Toolstack? toolstack, out GuestName guest, out GuestStart start)
        {
            var at = word.LastIndexOf('/');
            (guest, start) = (default, default);
            if (at <= 0 || !GuestReference.TryParse(word[..at], out var reference) || !GuestStart.TryParse(reference.Toolstack ?? Toolstack.Xen, word.AsSpan(at + 1), out start))
                return false;
            guest = reference.Name;
            return toolstack is null || start.Toolstack == toolstack;
        }

        static bool TryGuest(string word, out GuestName guest, out int domId)
        {
            var at = word.LastIndexOf('/');
            domId = 0;
            guest = default;
            return at > 0 && int.TryParse(word.AsSpan(at + 1), out domId) && domId > 0 && GuestName.TryParse(word[..at], out guest);
        }
    }

    /// <summary>What stands for a blank in a driver's name, since blanks part the words of a line: as the kernel writes it in its tables.</summary>
    const string Blank = "\\040";

    /// <summary>One start of a guest as a word.</summary>
    private protected static string WordOf(GuestName guest, GuestStart start) => $"{(start.Toolstack == Toolstack.Xen ? "" : $"{GuestReference.PrefixOf(start.Toolstack)}:")}{guest}/{start}";

    private protected static string Word(DriverName? driver) => driver?.ToString().Replace(" ", Blank, StringComparison.Ordinal) ?? "-";
}

/// <summary>A step that changes one function.</summary>
public abstract record FunctionStep(PciAddress Address) : Step
{
    public sealed override string Target => Address.ToString();
}

/// <summary>
/// Replaces a file whole, atomically, with its owner, mode and extended attributes kept; makes it, or takes it away. Both contents are
/// on disk, in the journal, before the act; and unlike the kernel's state, files outlive a restart, so this is undone after one too.
/// </summary>
/// <param name="Path">An absolute path without blanks.</param>
/// <param name="From">What it holds; null when it is not there.</param>
/// <param name="To">What it will hold; null when it will not be there.</param>
public sealed record EditFile(string Path, FileContent? From, FileContent? To) : Step
{
    public override string Target => Path;
    public override Step Reverse() => new EditFile(Path, To, From);
    public override string Text => $"edit {Path} {From?.Name ?? "-"} -> {To?.Name ?? "-"}";
    public override IEnumerable<FileContent> Contents => ((FileContent?[])[From, To]).OfType<FileContent>();
    public override string Sentence => To is null ? $"remove {Path}" : From is null ? $"write {Path}" : $"change {Path}";
}

/// <summary>Loads a module into the running kernel, or takes it out; its parameters are modprobe's configuration's.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Loaded">True: load; false: unload.</param>
public sealed record LoadModule(string Name, bool Loaded) : Step
{
    public override string Target => Name;
    public override Step Reverse() => new LoadModule(Name, !Loaded);
    public override string Text => Loaded ? $"module {Name} no -> yes" : $"module {Name} yes -> no";
    public override string Sentence => Loaded ? $"load the module {Name}" : $"unload the module {Name}";

    /// <summary>A name reaches modprobe's command line and paths below /sys: letters, digits, dashes and underscores.</summary>
    public static bool IsName(string text) => text.Length is > 0 and <= 64 && text[0] != '-' && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');
}

/// <summary>Unbinds a function from its driver, or binds it to one: exactly one of the two is null.</summary>
public sealed record Rebind(PciAddress Address, DriverName? From, DriverName? To) : FunctionStep(Address)
{
    public override Step Reverse() => new Rebind(Address, To, From);
    public override string Text => $"rebind {Address} {Word(From)} -> {Word(To)}";
    public override string Sentence => To is null ? $"unbind {Address} from {From}" : $"bind {Address} to {To}";
}

/// <summary>Sets <c>driver_override</c>, the name of the only driver that may take the function (Documentation/ABI/testing/sysfs-bus-pci).</summary>
public sealed record SetDriverOverride(PciAddress Address, DriverName? From, DriverName? To) : FunctionStep(Address)
{
    public override Step Reverse() => new SetDriverOverride(Address, To, From);
    public override string Text => $"driver_override {Address} {Word(From)} -> {Word(To)}";
    public override string Sentence => To is null ? $"clear the driver_override of {Address} (now {From})" : $"set the driver_override of {Address} to {To} (now {(From is null ? "none" : From)})";
}

/// <summary>
/// Xen: binds a driverless function to pciback and puts it under quarantine (owner DOMID_IO in the IOMMU), or gives it back to
/// dom0 and unbinds it. The owner must be given back as well: a function whose driver is back in dom0 while Xen still has it
/// under quarantine looks healthy and does no DMA (seen in the lab).
/// </summary>
/// <param name="Address">The function.</param>
/// <param name="Assignable">True: from no driver to pciback; false: from pciback to no driver.</param>
public sealed record SetAssignable(PciAddress Address, bool Assignable) : FunctionStep(Address)
{
    public override Step Reverse() => new SetAssignable(Address, !Assignable);
    public override string Text => Assignable ? $"assignable {Address} no -> yes" : $"assignable {Address} yes -> no";
    public override string Sentence => Assignable
        ? $"bind {Address} to pciback, ready for a guest"
        : $"take {Address} from pciback and give it back to dom0";
}

/// <summary>
/// Takes down what is configured on a network interface of a function, or sets it up again: with the driver it would all be gone, and
/// nobody knew it any more. Exactly one of the two is null: a bare interface, switched off.
/// </summary>
/// <param name="Address">The function.</param>
/// <param name="Name">The interface's name; one that comes back under another is found below the function.</param>
/// <param name="From">What is configured; null for nothing.</param>
/// <param name="To">What will be.</param>
public sealed record SetNetwork(PciAddress Address, string Name, NetworkSettings? From, NetworkSettings? To) : FunctionStep(Address)
{
    public override Step Reverse() => new SetNetwork(Address, Name, To, From);
    public override IEnumerable<FileContent> Contents => ((NetworkSettings?[])[From, To]).OfType<NetworkSettings>().Select(settings => new FileContent(settings.Text));
    public override string Text => $"network {Address} {Name} {Word(From)} -> {Word(To)}";
    public override string Sentence => To is null ? $"take down the network of {Name} ({Address})" : $"set up the network of {Name} ({Address}) again: {string.Join(", ", To.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries))}";

    /// <summary>What the kernel takes as an interface's name (dev_valid_name in net/core/dev.c); it becomes part of a path.</summary>
    public static bool IsName(string name) => name.Length is > 0 and < 16 && name is not ("." or "..") && !name.Any(letter => letter is '/' or ':' || char.IsWhiteSpace(letter) || char.IsControl(letter));

    static string Word(NetworkSettings? settings) => settings is null ? "-" : new FileContent(settings.Text).Name;
}

/// <summary>
/// Enters a function into pciback's slots, or takes it out. A slot reserves, and proves nothing: when the native driver was first,
/// the function stays with it (seen in the lab). What stood there before a hide is put back after.
/// </summary>
public sealed record SetSlot(PciAddress Address, bool Reserved) : FunctionStep(Address)
{
    public override Step Reverse() => new SetSlot(Address, !Reserved);
    public override string Text => Reserved ? $"slot {Address} no -> yes" : $"slot {Address} yes -> no";
    public override string Sentence => Reserved ? $"enter {Address} into pciback's slots" : $"take {Address} out of pciback's slots";
}

/// <summary>Plugs a function into a running guest, or unplugs it.</summary>
/// <param name="Address">The function.</param>
/// <param name="Guest">The guest.</param>
/// <param name="Start">This start of the guest; another start of it never had the function.</param>
/// <param name="Plugged">True: plug in; false: take out.</param>
public sealed record Plug(PciAddress Address, GuestName Guest, GuestStart Start, bool Plugged) : FunctionStep(Address)
{
    public override Step Reverse() => new Plug(Address, Guest, Start, !Plugged);
    public override string Text => Plugged ? $"plug {Address} - -> {WordOf(Guest, Start)}" : $"plug {Address} {WordOf(Guest, Start)} -> -";
    public override string Sentence => Plugged ? $"plug {Address} into {Guest} ({Start.Words})" : $"unplug {Address} from {Guest} ({Start.Words})";
}

/// <summary>Lets the kernel choose the driver of a driverless function. Which one it will be is not known before, so nothing undoes it.</summary>
public sealed record Probe(PciAddress Address) : FunctionStep(Address)
{
    public override Step? Reverse() => null;
    public override string Text => $"probe {Address}";
    public override string Sentence => $"let the kernel find a driver for {Address} (cannot be undone)";
}

/// <summary>
/// Writes a running guest into an image and leaves it paused, as it is in there; or takes that back: the guest goes on, and the image is removed.
/// A guest that goes on was never resumed from anything, so this is harmless even where resuming the image would kill it (seen in the lab).
/// </summary>
/// <param name="Path">The image: an absolute path without blanks.</param>
/// <param name="Guest">The guest.</param>
/// <param name="DomId">This start of it.</param>
/// <param name="Saved">True: write it; false: take it back.</param>
public sealed record SaveGuest(string Path, GuestName Guest, int DomId, bool Saved) : Step
{
    public override string Target => Path;
    public override Step Reverse() => new SaveGuest(Path, Guest, DomId, !Saved);
    public override string Text => Saved ? $"save {Path} - -> {Guest}/{DomId}" : $"save {Path} {Guest}/{DomId} -> -";
    public override string Sentence => Saved ? $"write {Guest} (domain {DomId}) to {Path}, and pause it" : $"let {Guest} (domain {DomId}) go on, and remove {Path}";
}

/// <summary>Ends a guest that has been saved, or that another host has started.</summary>
/// <param name="Guest">The guest.</param>
/// <param name="DomId">This start of it.</param>
public sealed record EndGuest(GuestName Guest, int DomId) : Step
{
    public override string Target => Guest.ToString();
    public override Step? Reverse() => null;
    public override bool IsFinal => true;
    public override string Text => $"end {Guest}/{DomId}";
    public override string Sentence => $"end {Guest} (domain {DomId}) here (cannot be undone)";
}

/// <summary>Starts a guest from its image. It goes on with its work at once, so nothing undoes this.</summary>
/// <param name="Guest">The guest.</param>
/// <param name="Path">The image.</param>
/// <param name="Toolstack">What wrote it, and starts it: Xen's xl, or libvirt.</param>
public sealed record StartGuest(GuestName Guest, string Path, Toolstack Toolstack = Toolstack.Xen) : Step
{
    public override string Target => Guest.ToString();
    public override Step? Reverse() => null;
    public override bool IsFinal => true;
    public override string Text => $"start {(Toolstack == Toolstack.Xen ? "" : $"{GuestReference.PrefixOf(Toolstack)}:")}{Guest} {Path}";
    public override string Sentence => $"start {Guest} from {Path} (cannot be undone)";
}

/// <summary>Copies a guest's image and the record beside it to another host; or removes what came of that there, where the host still answers.</summary>
/// <param name="Path">Where it lies on this host, and will lie on the other.</param>
/// <param name="Host">The other host.</param>
/// <param name="Sent">True: copy; false: remove.</param>
public sealed record SendGuest(string Path, RemoteHost Host, bool Sent) : Step
{
    public override string Target => Path;
    public override Step Reverse() => new SendGuest(Path, Host, !Sent);
    public override string Text => Sent ? $"send {Path} - -> {Host}" : $"send {Path} {Host} -> -";
    public override string Sentence => Sent ? $"copy {Path} to {Host}" : $"remove {Path} on {Host}";
}

/// <summary>A step behind which a guest is on another host.</summary>
public interface IDeparture
{
    GuestName Guest { get; }

    /// <summary>The other host.</summary>
    RemoteHost Host { get; }
}

/// <summary>
/// Has another host start a guest from its copy; or has it drop that copy, so that no start of it, however late, finds anything. Which of the
/// two has come about is that host's to say, from its own journal: it decides both under one lock. Once it has started the guest, this one
/// can only be ended here.
/// </summary>
/// <param name="Guest">The guest.</param>
/// <param name="Path">Where the copy lies there.</param>
/// <param name="Host">The other host.</param>
/// <param name="Handed">True: start; false: drop the copy.</param>
public sealed record HandOver(GuestName Guest, string Path, RemoteHost Host, bool Handed) : Step, IDeparture
{
    public override string Target => Guest.ToString();
    public override Step Reverse() => new HandOver(Guest, Path, Host, !Handed);
    public override bool IsFinal => Handed;
    public override string Text => Handed ? $"hand {Guest} {Path} - -> {Host}" : $"hand {Guest} {Path} {Host} -> -";
    public override string Sentence => Handed ? $"have {Host} start {Guest} (cannot be undone)" : $"have {Host} drop its copy of {Guest}";
}

/// <summary>Removes an image and the record beside it, from which nobody is to start any more.</summary>
/// <param name="Path">The image.</param>
public sealed record DropImage(string Path) : Step
{
    public override string Target => Path;
    public override Step? Reverse() => null;
    public override bool IsFinal => true;
    public override string Text => $"drop {Path}";
    public override string Sentence => $"remove {Path} (cannot be undone)";
}
