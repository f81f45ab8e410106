namespace SetNsLastPid.Commands;

/// <summary>Receives requests, carries them out one after another and answers them, until a signal comes.</summary>
/// <remarks>One thread; nothing here makes another or waits for anything but the socket and the signals. That costs no PID,
/// which is what clients count on until they have forked. An answer is one byte, and only what has four is answered: no
/// answer breeds another, wherever it goes.</remarks>
/// <param name="users">The numbers of the users to serve; empty for all.</param>
internal sealed class ServeLoop(Mailbox mailbox, CaughtSignals signals, ServeWay way, uint[] users, ServeLog log)
{
    private const int RequestLength = 4;
    private const byte Done = 0, NotDone = 1;

    // Finding out whether more wait, or a signal, costs a tenth of a request. So while one client asks and waits in turn, it
    // is done only so often, and one at a time is received in between.
    private const int LookAround = 16;

    // So many datagrams at once mean that the kernel's queue, of ten places by default, was full or nearly so.
    private const int Flood = 8;
    private const int MostAtOnce = 16 * Mailbox.Capacity;

    // A third of the time that is cycled in between.
    private static readonly long s_flooded = Stopwatch.Frequency / 300;

    // How long to turn away who still waits: all of the end stays below 100 ms.
    private static readonly long s_turnAway = Stopwatch.Frequency / 50;

    private readonly ServeQueue _queue = new();
    private readonly ServeAnswers _answers = new(mailbox, log);
    private Func<bool>? _interrupt;
    private int _alone;

    /// <summary>The signal that came, or 0.</summary>
    internal int Signal { get; private set; }

    /// <summary>Serves until a signal comes. Throws <see cref="RemoteException"/>.</summary>
    internal void Run()
    {
        while (true)
        {
            // A wait in recvmmsg takes a call less than one in poll, but a signal may come just before it: so it has its limit.
            bool isIdle = _queue.Count == 0, isAlone = isIdle && _alone % LookAround != 0 && mailbox.CanWait;
            if (isAlone)
            {
                _alone = Receive(1, wait: true) == 1 ? _alone + 1 : 0;
            }
            else if (HasSignal(isIdle ? -1 : 0))
            {
                return;
            }
            else
            {
                _ = Collect(isIdle);
            }

            if (_queue.TryTake(out Datagram request))
            {
                Serve(request);
            }
        }
    }

    /// <summary>Tells everyone who still waits that it will not be done.</summary>
    /// <param name="everyone">Whether those in the kernel's queue are among them.</param>
    internal void TurnAway(bool everyone)
    {
        long deadline = Stopwatch.GetTimestamp() + s_turnAway;
        // Once more than the deadline allows, which may pass before the first time.
        bool goesOn;
        do
        {
            goesOn = everyone && Collect(isIdle: false) > 0 && Stopwatch.GetTimestamp() < deadline;
            while (_queue.TryTake(out Datagram request))
            {
                _ = mailbox.Answer(request, NotDone, out _);
            }
        }
        while (goesOn);
    }

    private bool HasSignal(int milliseconds)
    {
        if (Signal == 0 && mailbox.Wait(signals.Descriptor, milliseconds))
        {
            Signal = signals.Next(wait: false).Number;
        }

        return Signal != 0;
    }

    // Lets senders in for a while if there is a flood.
    private bool Interrupt()
    {
        long end = Stopwatch.GetTimestamp() + s_flooded;
        while (Collect(isIdle: false) >= Flood && Stopwatch.GetTimestamp() < end)
        {
        }

        return HasSignal(0);
    }

    // Takes in what waits at the socket, so that the next sender finds room in the kernel's queue. A sender that finds no
    // room waits, and tries again when it is woken; in a flood the place is taken by then (unix_dgram_sendmsg,
    // net/unix/af_unix.c). Only if the queue is empty, and this CPU free for it to run on, does it get in before the flood.
    private int Collect(bool isIdle)
    {
        int count = Receive(Mailbox.Capacity), total = count;
        _alone = isIdle && count <= 1 ? _alone + 1 : 0;
        while (count > 1 && total < MostAtOnce)
        {
            count = Receive(Mailbox.Capacity);
            total += count;
        }

        if (total >= Flood)
        {
            _ = Raw.Call(Kernel.SYS_sched_yield);
        }

        return total;
    }

    private int Receive(int most, bool wait = false)
    {
        int count = mailbox.Receive(most, wait);
        for (int i = 0; i < count; i++)
        {
            ref readonly Datagram datagram = ref mailbox[i];
            if (datagram.Length != RequestLength)
            {
                log.Tell(ServeTrouble.Refused, datagram, "a request has four bytes");
            }
            else if (users.Length > 0 && !users.AsSpan().Contains(datagram.Sender.uid))
            {
                Refuse(datagram, "the user is not allowed");
            }
            else if (_answers.IsDeaf(datagram))
            {
                log.Tell(ServeTrouble.Refused, datagram, "its process or user leaves answers unread");
            }
            else if (_queue.Add(datagram, out Datagram dropped))
            {
                Refuse(dropped, "too many requests are waiting");
            }
        }

        return count;
    }

    private void Refuse(in Datagram datagram, string why)
    {
        log.Tell(ServeTrouble.Refused, datagram, why);
        _answers.SendIfRoom(datagram, NotDone);
    }

    private void Serve(in Datagram request)
    {
        if (_answers.IsDeaf(request))
        {
            return;
        }

        long start = Stopwatch.GetTimestamp();
        End end = request.Value > int.MaxValue
            ? End.NewHopeless(Obstacle.OutOfRange)
            : way.Set((int)request.Value, request.Sender.pid, _interrupt ??= Interrupt);
        _answers.Send(request, end.IsDone ? Done : NotDone);
        if (end.IsDone)
        {
            log.Done(request, way.Method, start);
        }
        else
        {
            Complaint complaint = Words.serve(end);
            log.Tell(ServeTrouble.Failed, request, complaint.Message, complaint.Errno);
        }

        if (way.IsCycling && _queue.Count == 0)
        {
            // Each lap reads /proc into the heap: left to itself the collector lets it grow to 20 MB.
            GC.Collect(0);
        }
    }
}
