using System.Collections.Concurrent;

namespace SetNsLastPid.Tests.Linux;

/// <summary>A thread that lasts: a zygote dies with the thread that cloned it, and one of the pool ends some idle seconds
/// after a test.</summary>
internal static class Lasting
{
    private static readonly BlockingCollection<Task> s_work = [];

    static Lasting() => new Thread(Work) { IsBackground = true }.Start();

    /// <summary>What a function returns there; throws what it throws.</summary>
    internal static T Run<T>(Func<T> function)
    {
        Task<T> task = new(function);
        s_work.Add(task);
        return task.GetAwaiter().GetResult();
    }

    private static void Work()
    {
        foreach (Task task in s_work.GetConsumingEnumerable())
        {
            task.RunSynchronously();
        }
    }
}
