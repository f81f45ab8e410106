using System.Diagnostics;
using SetNsLastPid.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>Sends the answers, and finds out who does not read them.</summary>
/// <remarks>
/// An answer that is not read is charged to the send buffer of the server's one socket. For a client that is connected
/// to it no other limit holds (unix_dgram_sendmsg, net/unix/af_unix.c), so that one that never reads would use it up,
/// some 280 answers, and nobody would get an answer any more. Once half of it is used it is seen after each answer
/// whether that is read soon; who fails that several times on end is deaf, and not served until it is tried again.
/// </remarks>
internal sealed class ServeAnswers
{
    private const int Places = 256;

    // How long an answer may stay unread: a client may have to wait for a CPU.
    private static readonly int[] s_patienceMilliseconds = [2, 5, 10, 20];

    private static readonly long s_expiry = Stopwatch.Frequency;

    private readonly Mailbox _mailbox;
    private readonly ServeLog _log;
    private readonly int _half;

    // By a hash of the sender: whose place it is, how often it did not read in time, and when that was last.
    private readonly ulong[] _keys = new ulong[Places];
    private readonly int[] _strikes = new int[Places];
    private readonly long[] _times = new long[Places];
    private int _sent;
    private bool _isTight;

    internal ServeAnswers(Mailbox mailbox, ServeLog log)
    {
        _mailbox = mailbox;
        _log = log;
        _half = mailbox.SendBuffer / 2;
    }

    /// <summary>Whether this sender does not read its answers.</summary>
    internal unsafe bool IsDeaf(Datagram* request)
    {
        if (request->AddressLength == 0)
        {
            return false;
        }

        ref int strikes = ref StrikesOf(request, out int place);
        if (strikes < s_patienceMilliseconds.Length)
        {
            return false;
        }

        if (Stopwatch.GetTimestamp() - _times[place] < s_expiry)
        {
            return true;
        }

        strikes--;
        return false;
    }

    /// <summary>Answers a request of someone who is served.</summary>
    internal unsafe void Send(Datagram* request, byte answer)
    {
        const int Look = 16;
        if (_isTight || _sent++ % Look == 0)
        {
            _isTight = _mailbox.Unread > _half;
        }

        int before = _isTight ? _mailbox.Unread : 0;
        int error = -_mailbox.Answer(request, answer);
        if (error != 0)
        {
            _log.Tell(ServeTrouble.Answer, request, "", error);
        }

        if ((_isTight && error == 0 && request->AddressLength != 0) || error == EAGAIN)
        {
            ref int strikes = ref StrikesOf(request, out int place);
            int patience = s_patienceMilliseconds[Math.Min(strikes, s_patienceMilliseconds.Length - 1)];
            strikes = error == 0 && IsReadWithin(patience, before) ? 0 : strikes + 1;
            _times[place] = Stopwatch.GetTimestamp();
        }
    }

    /// <summary>Answers a request of someone who is not served, if that leaves room for those who are.</summary>
    internal unsafe void SendIfRoom(Datagram* request, byte answer)
    {
        if (_mailbox.Unread <= _half)
        {
            _ = _mailbox.Answer(request, answer);
        }
    }

    // Nothing else is answered meanwhile, so that it is this answer which is missing from the buffer.
    private bool IsReadWithin(int milliseconds, int before)
    {
        long start = Stopwatch.GetTimestamp();
        while (_mailbox.Unread > before)
        {
            if (Stopwatch.GetElapsedTime(start).TotalMilliseconds >= milliseconds)
            {
                return false;
            }

            Kernel.sched_yield();
        }

        return true;
    }

    private unsafe ref int StrikesOf(Datagram* request, out int place)
    {
        ulong key = ServeQueue.KeyOf(request);
        place = (int)((key ^ (key >> 32)) % Places);
        if (_keys[place] != key)
        {
            _keys[place] = key;
            _strikes[place] = 0;
        }

        return ref _strikes[place];
    }
}
