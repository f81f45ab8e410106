using System.Diagnostics;
using System.Runtime.InteropServices;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>Receives requests, carries them out one after another and answers them.</summary>
/// <remarks>
/// One thread; nothing here makes another or waits for anything but the socket and the signals. That costs no PID,
/// which is what clients count on until they have forked.
/// </remarks>
internal sealed unsafe class ServeLoop : IDisposable
{
    private const int RequestLength = 4;
    private const byte Done = 0;
    private const byte NotDone = 1;

    // Finding out whether more wait costs a twentieth of a request. So while one client asks and waits in turn, it is
    // done only so often, and one at a time is received in between.
    private const int LookAround = 16;

    // So many datagrams at once mean that the kernel's queue, of ten places by default, was full or nearly so.
    private const int Flood = 8;
    private const int MostAtOnce = 16 * Mailbox.Capacity;

    // What _state says: whose the queue and the socket are.
    private const int Looping = 0;
    private const int CarryingOut = 1;
    private const int TakenOver = 2;

    private readonly Mailbox _mailbox;
    private readonly ServeQueue _queue = new();
    private readonly ServeLog _log;
    private readonly ServeAnswers _answers;
    private readonly StopSignals _stop;
    private readonly uint[] _users;
    private readonly Datagram* _request = (Datagram*)NativeMemory.AllocZeroed((nuint)sizeof(Datagram));
    private int _alone;
    private int _state;

    /// <param name="socket">A socket as <see cref="ServerSocket"/> makes them; it stays the caller's.</param>
    /// <param name="settings">Whom to serve.</param>
    /// <param name="log">Where to tell of it.</param>
    /// <param name="stop">When to end.</param>
    internal ServeLoop(int socket, ServeSettings settings, ServeLog log, StopSignals stop)
    {
        _mailbox = new Mailbox(socket);
        _users = settings.Users;
        _log = log;
        _answers = new ServeAnswers(_mailbox, log);
        _stop = stop;
    }

    /// <summary>Serves until a signal comes.</summary>
    /// <returns>0, or the errno turned with which the socket failed.</returns>
    internal int Run(IServeWay way)
    {
        while (true)
        {
            int received = Collect(wait: _queue.Count == 0);
            if (_stop.Received != 0)
            {
                _stop.Acknowledge();
                return 0;
            }

            if (received < 0)
            {
                return received;
            }

            if (_queue.TryTake(_request))
            {
                Serve(_request, way);
            }
        }
    }

    /// <summary>Takes in what waits at the socket, so that the next sender finds room in the kernel's queue.</summary>
    /// <remarks>
    /// A sender that finds no room waits, and tries again when it is woken; in a flood the place is taken by then
    /// (unix_dgram_sendmsg, net/unix/af_unix.c). Only if the queue is empty, and this CPU free for it to run on, does
    /// it get in before the flood.
    /// </remarks>
    /// <param name="wait">Whether to wait for something.</param>
    /// <returns>How many datagrams that were, or an errno turned.</returns>
    internal int Collect(bool wait)
    {
        bool one = wait && _alone % LookAround != 0;
        int count = Receive(wait, one ? 1 : Mailbox.Capacity), total = count;
        _alone = wait && count <= 1 ? _alone + 1 : 0;
        while (count > 1 && total < MostAtOnce)
        {
            count = Receive(false, Mailbox.Capacity);
            total += Math.Max(count, 0);
        }

        if (total >= Flood)
        {
            Kernel.sched_yield();
        }

        return count < 0 ? count : total;
    }

    /// <summary>Lets senders in for a while if there is a flood.</summary>
    /// <param name="duration">In ticks of <see cref="Stopwatch"/>.</param>
    internal void LetIn(long duration)
    {
        Become(Looping, CarryingOut);
        long end = Stopwatch.GetTimestamp() + duration;
        while (Collect(wait: false) >= Flood && Stopwatch.GetTimestamp() < end)
        {
        }

        Become(CarryingOut, Looping);
    }

    /// <summary>
    /// Whether another thread could take over the end, because this one is carrying out a request, which may take it
    /// long: where others compete for the CPUs, and where /proc is large. It never comes back from there then.
    /// </summary>
    internal bool TryTakeOver() => Interlocked.CompareExchange(ref _state, TakenOver, CarryingOut) == CarryingOut;

    private int Receive(bool wait, int most)
    {
        int count = _mailbox.Receive(wait, most);
        Datagram dropped;
        for (int i = 0; i < count; i++)
        {
            Datagram* datagram = _mailbox.Datagrams + i;
            if (_users.Length > 0 && !_users.AsSpan().Contains(datagram->Sender.uid))
            {
                _log.Tell(ServeTrouble.User, datagram);
                _answers.SendIfRoom(datagram, NotDone);
            }
            else if (_answers.IsDeaf(datagram))
            {
                _log.Tell(ServeTrouble.Deaf, datagram);
            }
            else if (_queue.Add(datagram, &dropped))
            {
                _log.Tell(ServeTrouble.Crowd, &dropped);
                _answers.SendIfRoom(&dropped, NotDone);
            }
        }

        return count;
    }

    /// <summary>Tells everyone who still waits that it will not be done.</summary>
    /// <param name="deadline">A time of <see cref="Stopwatch.GetTimestamp"/> at which to leave it.</param>
    /// <param name="everyone">Whether those in the kernel's queue are among them.</param>
    internal void TurnAway(long deadline, bool everyone)
    {
        if (Volatile.Read(ref _state) == TakenOver)
        {
            _ = _mailbox.Answer(_request, NotDone);
        }

        // Once more than the deadline allows, which may pass before the first time.
        bool goesOn;
        Datagram request;
        do
        {
            goesOn = everyone && Collect(wait: false) > 0 && Stopwatch.GetTimestamp() < deadline;
            while (_queue.TryTake(&request))
            {
                _ = _mailbox.Answer(&request, NotDone);
            }
        }
        while (goesOn);
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        NativeMemory.Free(_request);
        _mailbox.Dispose();
        _queue.Dispose();
    }

    private void Serve(Datagram* request, IServeWay way)
    {
        if (_answers.IsDeaf(request))
        {
            return;
        }

        if (request->Length != RequestLength)
        {
            _log.Tell(ServeTrouble.Length, request);
            _answers.Send(request, NotDone);
            return;
        }

        long start = _log.IsVerbose ? Stopwatch.GetTimestamp() : 0;
        int error = 0;
        string? why = "out of range";
        if (request->Value <= int.MaxValue && !way.TakesLong)
        {
            why = way.Set((int)request->Value, request->Sender.pid, out error);
        }
        else if (request->Value <= int.MaxValue)
        {
            Become(CarryingOut, Looping);
            why = way.Set((int)request->Value, request->Sender.pid, out error);
            Become(Looping, CarryingOut);
        }

        _answers.Send(request, why is null ? Done : NotDone);
        if (why is null)
        {
            _log.Done(request, way.Method, start);
        }
        else
        {
            _log.Tell(ServeTrouble.Failure, request, why, error);
        }
    }

    private void Become(int state, int from)
    {
        if (Interlocked.CompareExchange(ref _state, state, from) != from)
        {
            Thread.Sleep(Timeout.Infinite);
        }
    }
}
