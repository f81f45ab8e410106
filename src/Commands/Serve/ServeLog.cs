namespace SetNsLastPid.Commands;

/// <summary>Why a sender got no 0, or no answer: of each kind there is one line a second at most.</summary>
internal enum ServeTrouble
{
    Refused,

    /// <summary>The PID could not be set. With -v there is a line for each.</summary>
    Failed,

    Unanswered,
}

/// <summary>Lines on stderr while serving. They are left out rather than waited for when whoever reads them does not; the
/// next line that can be written tells how many.</summary>
internal sealed class ServeLog(bool isVerbose)
{
    private const int Stderr = 2;

    private readonly (long LastTold, long Untold)[] _troubles = new (long, long)[3];
    private long _lost;

    /// <summary>Says with -v that a request was carried out.</summary>
    internal void Done(in Datagram request, string method, long start)
    {
        if (isVerbose)
        {
            string took = Stopwatch.GetElapsedTime(start).TotalMicroseconds.ToString("F1", CultureInfo.InvariantCulture);
            Write($"{request.Value} by {method} in {took} us for {Name(request)}");
        }
    }

    /// <summary>Says what went wrong.</summary>
    /// <param name="error">The errno that says why instead, or 0.</param>
    internal void Tell(ServeTrouble trouble, in Datagram request, string why, Errno error = 0)
    {
        ref (long LastTold, long Untold) told = ref _troubles[(int)trouble];
        long now = Stopwatch.GetTimestamp();
        if (told.LastTold != 0 && now - told.LastTold < Stopwatch.Frequency && (!isVerbose || trouble != ServeTrouble.Failed))
        {
            told.Untold++;
            return;
        }

        why = error == 0 ? why : Output.Describe(error);
        string what = trouble switch
        {
            ServeTrouble.Refused => "refused",
            ServeTrouble.Failed => $"cannot make {request.Value} the last PID for",
            _ => "cannot answer",
        };
        string more = told.Untold == 0 ? "" : $" (and {told.Untold} more)";
        Write($"{what} {Name(request)}: {why}{more}");
        told = (now, 0);
    }

    private static string Name(in Datagram request) => $"process {(int)request.Sender.pid} of user {(uint)request.Sender.uid}";

    private unsafe void Write(string line)
    {
        pollfd stderr = new() { fd = Stderr, events = POLLOUT };
        if (!Kernel.IsGiven(Stderr) || poll(&stderr, 1, 0) != 1)
        {
            _lost++;
            return;
        }

        Output.Say("serve", line);
        if (_lost > 0)
        {
            Output.Say("serve", $"{_lost} lines before this were lost");
            _lost = 0;
        }
    }
}
