namespace PciPass.Core;

/// <summary>How much a finding weighs.</summary>
public enum Severity
{
    /// <summary>Worth knowing; changes nothing.</summary>
    Note,

    /// <summary>Goes on, but tells.</summary>
    Warn,

    /// <summary>The request is refused.</summary>
    Refuse,

    /// <summary>The request is refused unless this very code is accepted with <c>--accept</c>.</summary>
    RefuseUnlessAccepted,
}

/// <summary>Why a request is refused or doubtful: data, expected, never an exception.</summary>
/// <param name="Code">Stable and lower-case: <c>in-use-mount</c>. See <see cref="Rules.Catalogue"/>.</param>
/// <param name="Severity">How much it weighs.</param>
/// <param name="Subject">The function's address, or the guest, that it is about.</param>
/// <param name="What">The sentence behind <c>error:</c>.</param>
/// <param name="Why">The reason with the object's name and the value seen, behind <c>why:</c>.</param>
/// <param name="Remedy">What to do, behind <c>do:</c>.</param>
public sealed record Finding(string Code, Severity Severity, string Subject, string What, string Why, string Remedy);
