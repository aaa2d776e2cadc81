using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

public class ChannelBufferTests
{
    const int Most = 64;

    static readonly byte[] Sent = [.. Enumerable.Range(0, 10_000).Select(number => (byte)(number * 7))];

    /// <summary>However it comes and however it is taken: nothing is lost, doubled or out of order, also where a deadline passes in between.</summary>
    [Theory]
    [InlineData(1), InlineData(2), InlineData(3)]
    public void What_is_taken_is_what_came(int seed)
    {
        var random = new Random(seed);
        var buffer = new ChannelBuffer(new Pieces(Sent, random), TimeProvider.System, Most);
        List<byte> taken = [];
        var passed = 0;
        while (true)
        {
            var count = Math.Min(random.Next(Most + 1), Sent.Length - taken.Count);
            if (count == 0 && taken.Count == Sent.Length)
                break;
            try
            {
                Assert.True(buffer.TryTake(count, TimeSpan.FromSeconds(1), out var bytes));
                Assert.Equal(count, bytes.Length);
                taken.AddRange(bytes);
            }
            catch (DeadlinePassed)
            {
                passed++;
            }
        }
        Assert.Equal(Sent, taken);
        Assert.True(passed > 20, $"{passed} deadlines passed");
        Assert.False(buffer.TryTake(1, TimeSpan.FromSeconds(1), out _));
    }

    /// <summary>Gives a random part of what is left, or lets a deadline pass.</summary>
    sealed class Pieces(byte[] bytes, Random random) : ByteChannel
    {
        int at;

        public override int Read(Span<byte> buffer, TimeSpan deadline)
        {
            if (at < bytes.Length && random.Next(10) == 0)
                throw new DeadlinePassed("read", deadline);
            var count = Math.Min(Math.Min(1 + random.Next(Most), buffer.Length), bytes.Length - at);
            bytes.AsSpan(at, count).CopyTo(buffer);
            at += count;
            return count;
        }

        public override void Write(ReadOnlySpan<byte> bytes) => throw new NotSupportedException();
    }
}
