using Xunit;

namespace PciPass.Tests;

/// <summary>
/// A move to xen2 whose process here dies at each change or at each read, and a recovery behind it, which dies as well: the hosts end as they
/// were before or as they are after, the guest never runs twice, and no operation stays open.
/// </summary>
/// <param name="make">Makes the pair, each time the same.</param>
/// <param name="isLive">Whether the guest works on while it moves, so that it runs in one place at any time.</param>
sealed class MoveCrashes(Func<MovePair> make, bool isLive = false)
{
    (string Before, string After, int Changes)? ends;
    int gone;

    /// <summary>Both hosts before the move and behind it, and how many changes it makes here.</summary>
    public (string Before, string After, int Changes) Ends => ends ??= Move();

    /// <param name="twice">Whether the recovery dies too, at each of its changes.</param>
    /// <returns>How many crashes there were, and how many ends behind the move.</returns>
    public (int Crashes, int Gone) AtEachChange(bool twice)
    {
        gone = 0;
        var n = 0;
        for (; Crashed(n) is MovePair pair; n++)
        {
            Assert.True(isLive ? pair.Running == 1 : pair.Running <= 1, $"crash after {n}: {pair.Running} of it run");
            AssertRecovers(pair, $"crash after {n}");
            for (var m = 0; twice && Crashed(n) is MovePair again && Told.Dies(again.Here, "recover", m); m++)
                AssertRecovers(again, $"crashes after {n} and {m}");
        }
        Assert.True(n >= Ends.Changes, $"{n} crashes, {Ends.Changes} changes");
        return (n, gone);
    }

    /// <returns>How many crashes there were.</returns>
    public int AtEachRead()
    {
        for (var n = 0; ; n++)
        {
            var pair = make();
            if (!Told.DiesAtOperation(pair.Here, pair.Migrate, n))
                return n;
            AssertRecovers(pair, $"crash at {n}");
        }
    }

    (string Before, string After, int Changes) Move()
    {
        var pair = make();
        var before = pair.ToText();
        var changes = pair.Here.Changes;
        Told.By(pair.Here, pair.Migrate).Says(0);
        changes = pair.Here.Changes - changes;
        return (before, pair.ToText(), changes);
    }

    MovePair? Crashed(int n)
    {
        var pair = make();
        return Told.Dies(pair.Here, pair.Migrate, n) ? pair : null;
    }

    void AssertRecovers(MovePair pair, string when)
    {
        var told = Told.By(pair.Here, "recover");
        Assert.True(told.ExitCode == 0, $"{when}: {told}");
        var text = pair.ToText();
        if (text == Ends.After)
            gone++;
        else
            Assert.True(text == Ends.Before, $"{when}: neither before nor after\n{Difference.Of(Ends.Before, text)}");
        pair.AssertClosed();
    }
}
