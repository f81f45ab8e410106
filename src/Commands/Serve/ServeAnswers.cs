namespace SetNsLastPid.Commands;

/// <summary>Sends the answers, and finds out whose users do not read them.</summary>
/// <remarks>An answer that is not read is charged to the send buffer of the server's one socket. For a client that is
/// connected to it no other limit holds (unix_dgram_sendmsg, net/unix/af_unix.c), and who has many sockets evades any; so
/// that one user who never reads would use it up, some 280 answers, and nobody would get an answer any more. Once half of
/// it is used it is seen after each answer whether that is read, and a process, and a user, who has left unread more than a
/// share of what room there still is gets no more. The more of them there are the smaller the share, so that there always
/// is room.</remarks>
internal sealed class ServeAnswers(Mailbox mailbox, ServeLog log)
{
    private const int UserShare = 8;
    private const int ProcessShare = 32;
    private const int Places = 256;

    // How long to watch in vain within a second for all of a user's answers: what others may have to wait.
    private static readonly long s_patience = Stopwatch.Frequency / 200;

    private readonly int _room = mailbox.SendBuffer;

    // How many answers a process, and a user, left unread while there is little room: no more of them than answers fit.
    private readonly Dictionary<ulong, int> _left = [];
    private readonly long[] _waited = new long[Places];
    private long _second;
    private ulong _last;
    private int _size = 1, _unread, _sent;
    private bool _isTight;

    /// <summary>Whether the sender, or its user, does not read answers.</summary>
    internal bool IsDeaf(in Datagram request)
    {
        if (_left.Count == 0)
        {
            return false;
        }

        Look();
        ulong process = ServeQueue.ProcessOf(request), user = ServeQueue.UserOf(process);
        int most = Math.Max(_left.GetValueOrDefault(process) * ProcessShare, _left.GetValueOrDefault(user) * UserShare);
        return most * _size > _room - _unread;
    }

    /// <summary>Answers a request of someone who is served.</summary>
    internal void Send(in Datagram request, byte answer)
    {
        const int Often = 16;
        if (_isTight || ++_sent % Often == 0)
        {
            Look();
        }

        string? why = mailbox.Answer(request, answer, out Errno error);
        if (why is not null)
        {
            log.Tell(ServeTrouble.Unanswered, request, why, error);
        }
        else if (_isTight && request.AddressLength != 0)
        {
            Watch(ServeQueue.ProcessOf(request));
        }
    }

    /// <summary>Answers a request of someone who is not served, if that leaves room for those who are.</summary>
    internal void SendIfRoom(in Datagram request, byte answer)
    {
        if (mailbox.Unread < _room / 4)
        {
            _ = mailbox.Answer(request, answer, out _);
        }
    }

    private void Look()
    {
        int unread = mailbox.Unread;
        // What was read since the last watch ended is likely that answer, a little late.
        if (unread < _unread)
        {
            Count(_last, (unread - _unread) / _size);
        }

        _unread = unread;
        _isTight = unread > _room / 2;
        if (!_isTight)
        {
            _left.Clear();
        }
    }

    // Nothing else is answered meanwhile, so that it is this answer which is missing from the buffer.
    private void Watch(ulong process)
    {
        long start = Stopwatch.GetTimestamp(), now = start;
        if (start - _second >= Stopwatch.Frequency)
        {
            _second = start;
            Array.Clear(_waited);
        }

        int before = _unread;
        ref long waited = ref _waited[(process >> 32) % Places];
        _unread = mailbox.Unread;
        _size = Math.Max(_size, _unread - before);
        while (_unread > before && now - start < s_patience - waited)
        {
            _ = Raw.Call(Kernel.SYS_sched_yield);
            _unread = mailbox.Unread;
            now = Stopwatch.GetTimestamp();
        }

        if (_unread > before)
        {
            waited += now - start;
            Count(process, 1);
            _last = process;
        }
    }

    private void Count(ulong process, int by)
    {
        foreach (ulong who in (ReadOnlySpan<ulong>)[process, ServeQueue.UserOf(process)])
        {
            _left[who] = Math.Max(0, _left.GetValueOrDefault(who) + by);
        }
    }
}
