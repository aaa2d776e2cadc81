namespace PciPass.Host;

/// <summary>What came over a channel and was not taken yet. A message's parts come together: asked for one by one, each would be two calls to the kernel.</summary>
/// <param name="channel">Where the bytes come from.</param>
/// <param name="clock">What deadlines are measured by.</param>
/// <param name="most">The most that is taken at once, in bytes.</param>
sealed class ChannelBuffer(ByteChannel channel, TimeProvider clock, int most)
{
    readonly byte[] bytes = new byte[most];
    int start, end;

    /// <summary>Takes the next bytes, which are valid until the next call. What has come when the deadline passes stays for the next.</summary>
    /// <returns>False when the channel was closed before they came.</returns>
    /// <exception cref="DeadlinePassed">They did not come.</exception>
    public bool TryTake(int count, TimeSpan deadline, out ReadOnlySpan<byte> taken)
    {
        taken = [];
        if (start + count > bytes.Length)
        {
            bytes.AsSpan(start, end - start).CopyTo(bytes);
            (start, end) = (0, end - start);
        }
        var began = clock.GetTimestamp();
        while (end - start < count)
        {
            var got = channel.Read(bytes.AsSpan(end), deadline - clock.GetElapsedTime(began));
            if (got == 0)
                return false;
            end += got;
        }
        taken = bytes.AsSpan(start, count);
        start += count;
        return true;
    }
}
