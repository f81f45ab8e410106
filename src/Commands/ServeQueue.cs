using System.Runtime.InteropServices;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>
/// Requests that wait, in a fixed amount of memory. Senders take turns, one request each; a sender's own requests stay
/// in order. When all places are taken, whoever holds the most of them has to give one up.
/// </summary>
/// <remarks>
/// The kernel's queue knows nothing of senders: whoever fills it keeps the others out. So it is emptied into this one
/// whenever possible, in which a flood only ever delays itself.
/// </remarks>
internal sealed unsafe class ServeQueue : IDisposable
{
    /// <summary>How many requests can wait.</summary>
    internal const int Capacity = 1024;

    private const int None = -1;

    private readonly Datagram* _requests = (Datagram*)NativeMemory.AllocZeroed(Capacity, (nuint)sizeof(Datagram));

    // By request: the sender's next one, or the next free place.
    private readonly int[] _next = new int[Capacity];

    // By sender. A key of 0 is a free place.
    private readonly ulong[] _keys = new ulong[Capacity];
    private readonly int[] _first = new int[Capacity];
    private readonly int[] _last = new int[Capacity];
    private readonly int[] _counts = new int[Capacity];

    // Senders in the order of their turns: a ring.
    private readonly int[] _turns = new int[Capacity];
    private int _turn;

    private int _senders;
    private int _highestSender;
    private int _free;

    internal ServeQueue()
    {
        for (int i = 0; i < Capacity; i++)
        {
            _next[i] = i + 1 < Capacity ? i + 1 : None;
        }
    }

    /// <summary>How many requests wait.</summary>
    internal int Count { get; private set; }

    /// <summary>Puts a request at the end of its sender's, and the sender in line.</summary>
    /// <param name="request">Copied.</param>
    /// <param name="dropped">The request that had to go for it, perhaps itself; undefined when none had.</param>
    /// <returns>Whether one had to go.</returns>
    internal bool Add(Datagram* request, Datagram* dropped)
    {
        ulong key = KeyOf(request);
        int sender = _keys.AsSpan(0, _highestSender).IndexOf(key);
        bool isFull = _free == None;
        if (isFull)
        {
            int longest = FindLongest();
            if (_counts[longest] <= (sender < 0 ? 0 : _counts[sender]) + 1)
            {
                *dropped = *request;
                return true;
            }

            *dropped = _requests[TakeFirst(longest)];
        }

        // The sender that gave up a place keeps at least one, so no place of a sender has changed hands.
        sender = sender < 0 ? AddSender(key) : sender;
        int place = _free;
        _free = _next[place];
        _next[place] = None;
        _requests[place] = *request;
        if (_counts[sender]++ == 0)
        {
            _first[sender] = place;
        }
        else
        {
            _next[_last[sender]] = place;
        }

        _last[sender] = place;
        Count++;
        return isFull;
    }

    /// <summary>Takes the request whose turn it is.</summary>
    /// <param name="request">Filled in.</param>
    /// <returns>False when none waits.</returns>
    internal bool TryTake(Datagram* request)
    {
        if (Count == 0)
        {
            return false;
        }

        int sender = _turns[_turn];
        *request = _requests[TakeFirst(sender)];
        _turn = (_turn + 1) % Capacity;
        _senders--;
        if (_counts[sender] == 0)
        {
            _keys[sender] = 0;
        }
        else
        {
            PutInLine(sender);
        }

        return true;
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose() => NativeMemory.Free(_requests);

    /// <summary>What tells one sender from another: its process.</summary>
    /// <remarks>
    /// Those of other PID namespaces have no number here and are told apart by address. One process can have many of
    /// these, so they share what the hash leaves of them.
    /// </remarks>
    internal static ulong KeyOf(Datagram* request)
    {
        ulong user = (ulong)(uint)request->Sender.uid << 32;
        if (request->Sender.pid != 0)
        {
            return user | (uint)(int)request->Sender.pid;
        }

        const int Buckets = 64;
        HashCode hash = default;
        hash.AddBytes(new ReadOnlySpan<byte>(&request->Address, request->AddressLength));
        return user | 0x8000_0000 | ((uint)hash.ToHashCode() % Buckets);
    }

    private int TakeFirst(int sender)
    {
        int place = _first[sender];
        _first[sender] = _next[place];
        _counts[sender]--;
        _next[place] = _free;
        _free = place;
        Count--;
        return place;
    }

    private int AddSender(ulong key)
    {
        int sender = _keys.AsSpan().IndexOf(0UL);
        _keys[sender] = key;
        _counts[sender] = 0;
        _highestSender = Math.Max(_highestSender, sender + 1);
        PutInLine(sender);
        return sender;
    }

    private void PutInLine(int sender) => _turns[(_turn + _senders++) % Capacity] = sender;

    private int FindLongest()
    {
        int longest = 0;
        for (int i = 1; i < _highestSender; i++)
        {
            longest = _counts[i] > _counts[longest] ? i : longest;
        }

        return longest;
    }
}
