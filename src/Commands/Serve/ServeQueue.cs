namespace SetNsLastPid.Commands;

/// <summary>Requests that wait, in a fixed amount of memory. Users take turns, one request each, and so do the processes of
/// a user; a process's own requests stay in order. When all places are taken, the user who holds the most of them has to
/// give one up, and of that user the process that does.</summary>
/// <remarks>The kernel's queue knows nothing of senders: whoever fills it keeps the others out. So it is emptied into this
/// one whenever possible, in which a flood only ever delays itself.</remarks>
internal sealed class ServeQueue
{
    internal const int Capacity = 1024;

    // Those that wait, in the order of their coming, are the first Count. One place more, for who comes when it is full.
    private readonly Waiting[] _line = [.. Enumerable.Range(0, Capacity + 1).Select(place => new Waiting { Place = place })];
    private readonly Datagram[] _requests = new Datagram[Capacity + 1];
    private long _turn;

    internal int Count { get; private set; }

    private Span<Waiting> Line => _line.AsSpan(0, Count);

    /// <summary>Puts a request in line.</summary>
    /// <param name="dropped">The request that had to go for it, perhaps itself; undefined when none had.</param>
    internal bool Add(in Datagram request, out Datagram dropped)
    {
        Waiting added = new()
        {
            Process = ProcessOf(request),
            UserTurn = ++_turn,
            ProcessTurn = _turn,
            OfUser = 1,
            OfProcess = 1,
            Place = _line[Count].Place,
        };
        foreach (ref Waiting other in Line)
        {
            if (other.User == added.User)
            {
                (added.UserTurn, added.OfUser) = (other.UserTurn, ++other.OfUser);
            }

            if (other.Process == added.Process)
            {
                (added.ProcessTurn, added.OfProcess) = (other.ProcessTurn, ++other.OfProcess);
            }
        }

        _requests[added.Place] = request;
        _line[Count++] = added;
        bool isOver = Count > Capacity;
        dropped = isOver ? Remove(FindGreediest()) : default;
        return isOver;
    }

    /// <summary>Takes the request whose turn it is.</summary>
    /// <param name="request">Undefined when none waits.</param>
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
        foreach (ref Waiting other in Line)
        {
            other.UserTurn = other.User == taken.User ? _turn : other.UserTurn;
            other.ProcessTurn = other.Process == taken.Process ? _turn : other.ProcessTurn;
        }

        return true;
    }

    /// <summary>What tells one process from another: its user, and its number.</summary>
    /// <remarks>Those of other PID namespaces have no number here and are told apart by address. One process can have many
    /// of these, so they share what the hash leaves of them.</remarks>
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

    // The oldest request of the process that has the most of the user who has the most. Of equals it is the newcomer, who is
    // the last in line, and stays out.
    private int FindGreediest()
    {
        int greediest = Count - 1;
        for (int i = 0; i < Count - 1; i++)
        {
            Waiting most = _line[greediest], other = _line[i];
            bool isGreedier = other.OfUser > most.OfUser || (other.User == most.User && other.OfProcess > most.OfProcess);
            greediest = isGreedier ? i : greediest;
        }

        return greediest;
    }

    private Datagram Remove(int at)
    {
        Waiting removed = _line[at];
        Array.Copy(_line, at + 1, _line, at, --Count - at);
        _line[Count].Place = removed.Place;
        foreach (ref Waiting other in Line)
        {
            other.OfUser -= other.User == removed.User ? 1 : 0;
            other.OfProcess -= other.Process == removed.Process ? 1 : 0;
        }

        return _requests[removed.Place];
    }

    private struct Waiting
    {
        // When its user, and its process, came or was served last; and how many requests of theirs wait.
        internal long UserTurn, ProcessTurn;
        internal ulong Process;
        internal int OfUser, OfProcess, Place;

        internal readonly uint User => (uint)(Process >> 32);

        // Of equals, which are of one process, the first is the oldest.
        internal readonly bool IsBefore(in Waiting other) =>
            UserTurn < other.UserTurn || (UserTurn == other.UserTurn && ProcessTurn < other.ProcessTurn);
    }
}
