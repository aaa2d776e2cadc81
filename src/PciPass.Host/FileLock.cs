namespace PciPass.Host;

/// <summary>
/// An exclusive flock(2), held until disposed or until the process ends, however it ends: a lock left behind by a dead process
/// cannot exist.
/// </summary>
sealed class FileLock : IDisposable
{
    int descriptor;

    FileLock(int descriptor) => this.descriptor = descriptor;

    /// <summary>flock has no time limit of its own, so where others have it, it waits in a thread of its own, which is left behind when the time is up.</summary>
    public static FileLock? Take(int descriptor, string path, TimeSpan deadline)
    {
        if (Libc.Flock(descriptor, Libc.LOCK_EX | Libc.LOCK_NB) == 0)
            return new FileLock(descriptor);
        if (Libc.LastError is not (Errno.EAGAIN or Errno.EINTR))
        {
            var refused = Libc.LastError;
            _ = Libc.Close(descriptor);
            throw new HostFailure("lock", path, refused);
        }
        var error = 0;
        var abandoned = false;
        var gate = new Lock();
        var waiter = new Thread(() =>
        {
            int result;
            do
            {
                result = Libc.Flock(descriptor, Libc.LOCK_EX);
            }
            while (result < 0 && Libc.LastError == Errno.EINTR);
            error = result < 0 ? Libc.LastError : 0;
            lock (gate)
            {
                if (abandoned)
                    _ = Libc.Close(descriptor);
            }
        })
        { IsBackground = true, Name = "lock" };
        try
        {
            waiter.Start();
        }
        catch (Exception failure) when (failure is OutOfMemoryException or ThreadStartException)
        {
            throw new HostFailure($"lock {path}: no thread can be started to wait for it: {failure.Message}");
        }
        if (!waiter.Join(deadline))
        {
            lock (gate)
                abandoned = true;
            if (waiter.IsAlive)
                return null;
        }
        return error == 0 ? new FileLock(descriptor) : throw new HostFailure("lock", path, error);
    }

    public void Dispose()
    {
        if (descriptor < 0)
            return;
        _ = Libc.Close(descriptor);
        descriptor = -1;
    }
}
