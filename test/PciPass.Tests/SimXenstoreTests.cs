using System.Buffers.Binary;
using System.Text;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>The simulated xenstored at the level of bytes (xen/include/public/io/xs_wire.h, docs/misc/xenstore.txt).</summary>
public sealed class SimXenstoreTests : IDisposable
{
    const uint Directory = 1, Read = 2, GetPermissions = 3, Watch = 4, Unwatch = 5, Start = 6, End = 7, DomainPath = 10, Write = 11, MakeDirectory = 12, Remove = 13,
        SetPermissions = 14, WatchEvent = 15, Error = 16;

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    readonly SimHost host = SimHost.Demo();
    readonly ByteChannel channel;
    uint request;

    public SimXenstoreTests() => channel = host.ConnectXenstore()!;

    public void Dispose() => channel.Dispose();

    static (uint Type, uint Request, uint Transaction, string Text) Receive(ByteChannel from)
    {
        var header = Exactly(16);
        return (Number(0), Number(4), Number(8), Encoding.UTF8.GetString(Exactly((int)Number(12))).Replace('\0', '|'));

        uint Number(int at) => BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(at));

        byte[] Exactly(int count)
        {
            var bytes = new byte[count];
            for (var got = 0; got < count;)
                got += from.Read(bytes.AsSpan(got), Patience) is > 0 and var n ? n : throw new EndOfStreamException();
            return bytes;
        }
    }

    static void Send(ByteChannel to, uint type, uint request, uint transaction, string text)
    {
        var payload = Encoding.UTF8.GetBytes(text.Replace('|', '\0'));
        var message = new byte[16 + payload.Length];
        uint[] words = [type, request, transaction, (uint)payload.Length];
        for (var n = 0; n < 4; n++)
            BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4 * n), words[n]);
        payload.CopyTo(message, 16);
        to.Write(message);
    }

    /// <summary>The answer to a request; a bar stands for NUL.</summary>
    string Ask(uint type, string text, uint transaction = 0)
    {
        Send(channel, type, ++request, transaction, text);
        var answer = Receive(channel);
        Assert.Equal((request, transaction), (answer.Request, answer.Transaction));
        Assert.True(answer.Type == type || answer.Type == Error, $"{answer}");
        return answer.Text;
    }

    string Event()
    {
        var answer = Receive(channel);
        Assert.Equal((WatchEvent, 0u, 0u), (answer.Type, answer.Request, answer.Transaction));
        return answer.Text;
    }

    [Fact]
    public void Values_are_read_and_written()
    {
        Assert.Equal("web1", Ask(Read, "/local/domain/1/name|"));
        Assert.Equal("OK|", Ask(Write, "/test/a/b|value"));
        Assert.Equal("value", Ask(Read, "/test/a/b|"));
        Assert.Equal("", Ask(Read, "/test/a|"));
        Assert.Equal("a|", Ask(Directory, "/test|"));
        Assert.Equal("OK|", Ask(MakeDirectory, "/test/c|"));
        Assert.Equal("a|c|", Ask(Directory, "/test|"));
    }

    [Fact]
    public void Nodes_are_removed_with_all_below()
    {
        Ask(Write, "/test/a/b|value");
        Assert.Equal("OK|", Ask(Remove, "/test/a|"));
        Assert.Equal("ENOENT|", Ask(Read, "/test/a/b|"));
        Assert.Equal("OK|", Ask(Remove, "/test/a|"));
        Assert.Equal("ENOENT|", Ask(Remove, "/nothing/a|"));
        Assert.Equal("EINVAL|", Ask(Remove, "/|"));
    }

    [Theory]
    [InlineData(Read, "/nothing|", "ENOENT|")]
    [InlineData(Directory, "/nothing|", "ENOENT|")]
    [InlineData(GetPermissions, "/nothing|", "ENOENT|")]
    [InlineData(Read, "//x|", "EINVAL|")]
    [InlineData(Read, "/x/|", "EINVAL|")]
    [InlineData(Read, "/x y|", "EINVAL|")]
    [InlineData(Write, "/no-nul", "EINVAL|")]
    [InlineData(Unwatch, "/x|token|", "ENOENT|")]
    [InlineData(End, "T|", "ENOENT|")]
    [InlineData(99u, "x|", "ENOSYS|")]
    public void Errors_are_names(uint type, string text, string error)
    {
        Send(channel, type, 7, 0, text);
        Assert.Equal((Error, 7u, 0u, error), Receive(channel));
    }

    [Fact]
    public void Relative_paths_begin_at_the_callers_domain()
    {
        Assert.Equal("Domain-0", Ask(Read, "name|"));
        Assert.Equal("/local/domain/3|", Ask(DomainPath, "3|"));
    }

    [Fact]
    public void Permissions_are_kept()
    {
        Ask(Write, "/test|x");
        Assert.Equal("n0|", Ask(GetPermissions, "/test|"));
        Assert.Equal("OK|", Ask(SetPermissions, "/test|n0|r1|"));
        Assert.Equal("n0|r1|", Ask(GetPermissions, "/test|"));
    }

    [Fact]
    public void A_watch_fires_at_once_and_then_for_each_change_at_or_below()
    {
        Assert.Equal("OK|", Ask(Watch, "/test|mine|"));
        Assert.Equal("/test|mine|", Event());
        host.Run("xenstore-write", ["/test/a/b", "1"], Patience);
        Assert.Equal("/test/a/b|mine|", Event());
        host.Run("xenstore-write", ["/testing", "1"], Patience);
        host.Run("xenstore-rm", ["/test/a"], Patience);
        Assert.Equal("/test/a|mine|", Event());
        Assert.Equal("EEXIST|", Ask(Watch, "/test|mine|"));
        Assert.Equal("OK|", Ask(Unwatch, "/test|mine|"));
        host.Run("xenstore-write", ["/test/a/b", "1"], Patience);
        Assert.Throws<DeadlinePassed>(() => Event());
    }

    [Fact]
    public void A_watch_on_a_node_hears_of_its_removal_from_above()
    {
        host.Run("xenstore-write", ["/test/a/b", "1"], Patience);
        Ask(Watch, "/test/a/b|mine|");
        Event();
        host.Run("xenstore-rm", ["/test"], Patience);
        Assert.Equal("/test/a/b|mine|", Event());
    }

    [Fact]
    public void Guests_that_come_and_go_are_announced()
    {
        Ask(Watch, "@releaseDomain|gone|");
        Assert.Equal("@releaseDomain|gone|", Event());
        host.DestroyGuest("db1");
        Assert.Equal("@releaseDomain|gone|", Event());
    }

    [Fact]
    public void A_transaction_is_seen_by_others_only_when_it_ends()
    {
        Assert.Equal("1|", Ask(Start, "|"));
        Assert.Equal("OK|", Ask(Write, "/test/a|1", transaction: 1));
        Assert.Equal("1", Ask(Read, "/test/a|", transaction: 1));
        Assert.Equal("ENOENT|", Ask(Read, "/test/a|"));
        Assert.Equal("OK|", Ask(End, "T|", transaction: 1));
        Assert.Equal("1", Ask(Read, "/test/a|"));
        Assert.Equal("ENOENT|", Ask(Read, "/test/a|", transaction: 1));
    }

    [Fact]
    public void A_transaction_can_be_given_up()
    {
        Ask(Start, "|");
        Ask(Write, "/test/a|1", transaction: 1);
        Assert.Equal("OK|", Ask(End, "F|", transaction: 1));
        Assert.Equal("ENOENT|", Ask(Read, "/test/a|"));
    }

    [Fact]
    public void A_transaction_that_saw_what_changed_since_fails_with_EAGAIN()
    {
        host.Run("xenstore-write", ["/test/a", "1", "/test/b", "1"], Patience);
        Ask(Start, "|");
        Assert.Equal("1", Ask(Read, "/test/a|", transaction: 1));
        host.Run("xenstore-write", ["/test/a", "2"], Patience);
        Assert.Equal("1", Ask(Read, "/test/a|", transaction: 1));
        Assert.Equal("EAGAIN|", Ask(End, "T|", transaction: 1));
        Ask(Start, "|");
        Assert.Equal("2", Ask(Read, "/test/a|", transaction: 2));
        host.Run("xenstore-write", ["/test/b", "2"], Patience);
        Assert.Equal("OK|", Ask(End, "T|", transaction: 2));
    }

    [Fact]
    public void Bytes_may_come_in_pieces()
    {
        host.XenstoreChunk = 1;
        Assert.Equal("web1", Ask(Read, "/local/domain/1/name|"));
        var message = new byte[] { 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, (byte)'n', (byte)'a', (byte)'m', (byte)'e', 0 };
        foreach (var b in message)
            channel.Write([b]);
        Assert.Equal((Read, 9u, 0u, "Domain-0"), Receive(channel));
    }

    [Fact]
    public void A_message_that_is_too_long_ends_the_connection()
    {
        Send(channel, Write, 1, 0, "/test|" + new string('x', 4091));
        Assert.Throws<EndOfStreamException>(() => Receive(channel));
    }

    [Fact]
    public void Without_an_answer_the_deadline_passes()
    {
        host.Faults.Hang("xenstore");
        var begin = host.Clock.Elapsed;
        Assert.Throws<DeadlinePassed>(() => Ask(Read, "name|"));
        Assert.Equal(Patience, host.Clock.Elapsed - begin);
    }

    [Fact]
    public void Two_clients_do_not_hear_each_others_answers()
    {
        using var other = host.ConnectXenstore()!;
        Send(other, Watch, 1, 0, "/test|theirs|");
        Assert.Equal("OK|", Ask(Write, "/test|1"));
        Assert.Equal("OK|", Receive(other).Text);
        Assert.Equal("/test|theirs|", Receive(other).Text);
        Assert.Equal("/test|theirs|", Receive(other).Text);
        Assert.Throws<DeadlinePassed>(() => Receive(other));
    }

    [Fact]
    public void A_waiting_client_sees_the_guest_answer()
    {
        host.Run("xl", ["pci-assignable-add", "0000:09:00.0"], TimeSpan.FromMinutes(1));
        Ask(Watch, "/local/domain/0/backend/pci/1/0/state|bus|");
        Event();
        host.Run("xl", ["pci-attach", "web1", "0000:09:00.0"], TimeSpan.FromMinutes(1));
        var states = new List<string>();
        do
        {
            Event();
            states.Add(Ask2(Read, "/local/domain/0/backend/pci/1/0/state|"));
        }
        while (states[^1] != "4");
        // The kernel goes from 2 to 3 without a pause: nobody reads 2.
        Assert.Equal(["1", "3", "4"], states.Distinct());

        string Ask2(uint type, string text)
        {
            Send(channel, type, ++request, 0, text);
            while (true)
            {
                var answer = Receive(channel);
                if (answer.Type != WatchEvent)
                    return answer.Text;
            }
        }
    }
}
