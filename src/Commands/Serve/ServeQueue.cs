using System.Runtime.InteropServices;
using SetNsLastPid.Linux;
using Tmds.Linux;

namespace SetNsLastPid.Commands;

/// <summary>
/// Requests that wait, in a fixed amount of memory. Users take turns, one request each, and so do the processes of a
/// user; a process's own requests stay in order. When all places are taken, the user who holds the most of them has to
/// give one up, and of that user the process that does.
/// </summary>
/// <remarks>
/// The kernel's queue knows nothing of senders: whoever fills it keeps the others out. So it is emptied into this one
/// whenever possible, in which a flood only ever delays itself.
/// </remarks>
internal sealed class ServeQueue
{
    /// <summary>How many requests can wait.</summary>
    internal const int Capacity = 1024;

    // Those that wait, in the order of their coming, are the first Count.
    private readonly Waiting[] _line = new Waiting[Capacity];
    private readonly Datagram[] _requests = new Datagram[Capacity];
    private readonly Dictionary<uint, int> _users = [];
    private readonly Dictionary<ulong, int> _processes = [];
    private long _turn;

    internal ServeQueue()
    {
        for (int i = 0; i < Capacity; i++)
        {
            _line[i].Place = i;
        }
    }

    /// <summary>How many requests wait.</summary>
    internal int Count { get; private set; }

    /// <summary>Puts a request in line.</summary>
    /// <param name="request">Copied.</param>
    /// <param name="dropped">The request that had to go for it, perhaps itself; undefined when none had.</param>
    /// <returns>Whether one had to go.</returns>
    internal bool Add(in Datagram request, out Datagram dropped)
    {
        ulong process = ProcessOf(request);
        bool isFull = Count == Capacity;
        dropped = default;
        if (isFull)
        {
            int at = FindGreediest(process);
            if (at < 0)
            {
                dropped = request;
                return true;
            }

            dropped = Remove(at);
        }

        Waiting added = new() { Process = process, UserTurn = ++_turn, ProcessTurn = _turn, Place = _line[Count].Place };
        for (int i = 0; i < Count; i++)
        {
            added.UserTurn = _line[i].User == added.User ? _line[i].UserTurn : added.UserTurn;
            added.ProcessTurn = _line[i].Process == process ? _line[i].ProcessTurn : added.ProcessTurn;
        }

        _requests[added.Place] = request;
        _line[Count++] = added;
        Move(process, 1);
        return isFull;
    }

    /// <summary>Takes the request whose turn it is.</summary>
    /// <param name="request">Undefined when none waits.</param>
    /// <returns>Whether one waits.</returns>
    internal bool TryTake(out Datagram request)
    {
        request = default;
        if (Count == 0)
        {
            return false;
        }

        int next = 0;
        for (int i = 1; i < Count; i++)
        {
            next = _line[i].IsBefore(_line[next]) ? i : next;
        }

        Waiting taken = _line[next];
        request = Remove(next);
        _turn++;
        for (int i = 0; i < Count; i++)
        {
            _line[i].UserTurn = _line[i].User == taken.User ? _turn : _line[i].UserTurn;
            _line[i].ProcessTurn = _line[i].Process == taken.Process ? _turn : _line[i].ProcessTurn;
        }

        return true;
    }

    /// <summary>What tells one process from another: its user, and its number.</summary>
    /// <remarks>
    /// Those of other PID namespaces have no number here and are told apart by address. One process can have many of
    /// these, so they share what the hash leaves of them.
    /// </remarks>
    internal static ulong ProcessOf(in Datagram request)
    {
        ulong user = (ulong)(uint)request.Sender.uid << 32;
        if (request.Sender.pid != 0)
        {
            return user | (uint)(int)request.Sender.pid;
        }

        const int Buckets = 64;
        HashCode hash = default;
        hash.AddBytes(MemoryMarshal.AsBytes(new ReadOnlySpan<sockaddr_un>(in request.Address))[..request.AddressLength]);
        return user | 0x8000_0000 | ((uint)hash.ToHashCode() % Buckets);
    }

    /// <summary>What tells the user of such a process from another.</summary>
    internal static ulong UserOf(ulong process) => process & ~(ulong)uint.MaxValue;

    // Where the request is that has to go when one of this process comes; -1 when it is that one itself.
    private int FindGreediest(ulong process)
    {
        uint user = (uint)(process >> 32), greediest = user;
        int most = _users.GetValueOrDefault(user) + 1;
        foreach ((uint other, int count) in _users)
        {
            (greediest, most) = count > most ? (other, count) : (greediest, most);
        }

        (ulong sender, most) = greediest == user ? (process, _processes.GetValueOrDefault(process) + 1) : (0, 0);
        foreach ((ulong other, int count) in _processes)
        {
            (sender, most) = (uint)(other >> 32) == greediest && count > most ? (other, count) : (sender, most);
        }

        int at = -1;
        for (int i = 0; i < Count && at < 0 && (greediest != user || sender != process); i++)
        {
            at = _line[i].Process == sender ? i : at;
        }

        return at;
    }

    private Datagram Remove(int at)
    {
        Waiting removed = _line[at];
        Array.Copy(_line, at + 1, _line, at, --Count - at);
        _line[Count].Place = removed.Place;
        Move(removed.Process, -1);
        return _requests[removed.Place];
    }

    private void Move(ulong process, int by)
    {
        Add(_users, (uint)(process >> 32), by);
        Add(_processes, process, by);
    }

    private static void Add<T>(Dictionary<T, int> counts, T key, int by)
        where T : struct
    {
        ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(counts, key, out _);
        count += by;
        if (count == 0)
        {
            _ = counts.Remove(key);
        }
    }

    private struct Waiting
    {
        // When its user, and its process, came or was served last.
        internal long UserTurn;
        internal long ProcessTurn;
        internal ulong Process;
        internal int Place;

        internal readonly uint User => (uint)(Process >> 32);

        // Of equals, which are of one process, the first is the oldest.
        internal readonly bool IsBefore(in Waiting other) =>
            UserTurn < other.UserTurn || (UserTurn == other.UserTurn && ProcessTurn < other.ProcessTurn);
    }
}
