namespace SetNsLastPid.Tests.Linux;

/// <summary>Threads that allocate and collect without pause until it is disposed.</summary>
internal sealed class Turmoil : IDisposable
{
    private readonly Thread[] _threads;
    private volatile bool _stop;

    internal Turmoil(int threads)
    {
        _threads = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            int generation = i % 2 == 0 ? 0 : 2;
            _threads[i] = new Thread(() => Work(generation)) { IsBackground = true };
            _threads[i].Start();
        }
    }

    public void Dispose()
    {
        _stop = true;
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    private void Work(int generation)
    {
        List<byte[]> kept = [];
        while (!_stop)
        {
            for (int i = 0; i < 50; i++)
            {
                kept.Add(new byte[1000]);
            }

            if (kept.Count > 1000)
            {
                kept.Clear();
            }

            GC.Collect(generation);
        }
    }
}
