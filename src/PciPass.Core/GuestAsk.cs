using System.Globalization;

namespace PciPass.Core;

/// <summary>
/// What a host asks of the agent in a guest, over the guest's own part of xenstore (docs/guest-agent.md): <c>NUMBER let-go SLOT</c>, where
/// the slot is the guest's own address of a function.
/// </summary>
/// <param name="Number">Tells this ask from every other.</param>
/// <param name="Slot">Where the guest sees the function.</param>
public sealed record GuestAsk(uint Number, PciAddress Slot)
{
    /// <summary>Below <c>/local/domain/DOMID/</c>: a part of xenstore that the guest may write, and nobody else but the host.</summary>
    public const string Agent = "data/pcipass/agent", Ask = "data/pcipass/ask", Answer = "data/pcipass/answer";

    /// <summary>What stands in <see cref="Agent"/> while an agent runs.</summary>
    public const string Version = "1";

    public override string ToString() => $"{Number} let-go {Slot}";

    /// <summary>Null for all that is no ask.</summary>
    public static GuestAsk? Parse(string? text) => text?.Split(' ') is [var number, "let-go", var slot] && uint.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && PciAddress.TryParse(slot, out var address)
        ? new GuestAsk(value, address)
        : null;

    public string AnswerOf(GuestAnswer answer) => $"{Number} {answer.ToString().ToLowerInvariant()}";

    /// <summary>The answer to this ask; null for all that is none. A guest may write anything: only these few words are looked for.</summary>
    public GuestAnswer? ReadAnswer(string? text)
    {
        foreach (var answer in Enum.GetValues<GuestAnswer>())
        {
            if (text == AnswerOf(answer))
                return answer;
        }
        return null;
    }
}

/// <summary>What the agent in a guest answers.</summary>
public enum GuestAnswer
{
    /// <summary>The driver has let go.</summary>
    Done,

    /// <summary>No driver had it.</summary>
    Free,

    /// <summary>The driver did not let go in time.</summary>
    Busy,

    /// <summary>It is no function that this guest has from its host, or the unbind failed.</summary>
    Refused,
}
