using System.Diagnostics;
using System.Text.Unicode;
using SetNsLastPid.Linux;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>Why a sender got no 0, or no answer: of each kind there is one line a second at most.</summary>
internal enum ServeTrouble
{
    /// <summary>The sender is none of the users to serve.</summary>
    User,

    /// <summary>The datagram has not four bytes.</summary>
    Length,

    /// <summary>Too many requests wait.</summary>
    Crowd,

    /// <summary>The sender does not read its answers.</summary>
    Deaf,

    /// <summary>The PID could not be set.</summary>
    Failure,

    /// <summary>The answer could not be sent.</summary>
    Answer,
}

/// <summary>
/// Lines on stderr while serving. They are made without allocation, and left out rather than waited for when whoever
/// reads them does not; the next line that can be written tells how many.
/// </summary>
internal sealed unsafe class ServeLog(bool isVerbose)
{
    private const int Stderr = 2;
    private const int MaxLine = 512;

    private readonly byte[] _line = new byte[MaxLine];
    private readonly long[] _lastTold = new long[6];
    private readonly long[] _untold = new long[6];
    private long _lost;

    /// <summary>Whether each request is told of.</summary>
    internal bool IsVerbose => isVerbose;

    /// <summary>Says with -v that a request was carried out.</summary>
    internal void Done(Datagram* request, string method, long start)
    {
        if (isVerbose)
        {
            double microseconds = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            ucred sender = request->Sender;
            _ = Utf8.TryWrite(
                _line,
                $"nslp: serve: {request->Value} by {method} in {microseconds:F1} us for process {(int)sender.pid} of user {(uint)sender.uid}\n",
                out int length);
            Write(length);
        }
    }

    /// <summary>Says what went wrong.</summary>
    /// <param name="trouble">What.</param>
    /// <param name="request">With whom.</param>
    /// <param name="why">Why, for <see cref="ServeTrouble.Failure"/> and <see cref="ServeTrouble.Answer"/>.</param>
    /// <param name="error">The errno that <paramref name="why"/> is to be left to, or 0.</param>
    internal void Tell(ServeTrouble trouble, Datagram* request, string why = "", int error = 0)
    {
        ref long untold = ref _untold[(int)trouble];
        long now = Stopwatch.GetTimestamp();
        bool isDue = _lastTold[(int)trouble] is var last && (last == 0 || now - last >= Stopwatch.Frequency);
        // Whoever is not served must not fill the log either.
        if (!isDue && (!isVerbose || trouble is not (ServeTrouble.Length or ServeTrouble.Failure)))
        {
            untold++;
            return;
        }

        _lastTold[(int)trouble] = now;
        why = error == 0 ? why : Output.Describe(error);
        int process = request->Sender.pid;
        uint user = request->Sender.uid;
        Span<byte> line = _line.AsSpan(0, MaxLine - 100);
        int length;
        _ = trouble switch
        {
            ServeTrouble.User => Utf8.TryWrite(
                line, $"nslp: serve: refused process {process} of user {user}: not a user to serve", out length),
            ServeTrouble.Length => Utf8.TryWrite(
                line, $"nslp: serve: refused process {process} of user {user}: {request->Length} bytes are no request", out length),
            ServeTrouble.Crowd => Utf8.TryWrite(
                line, $"nslp: serve: refused process {process} of user {user}: too many requests wait", out length),
            ServeTrouble.Deaf => Utf8.TryWrite(
                line, $"nslp: serve: refused process {process} of user {user}: it does not read its answers", out length),
            ServeTrouble.Failure => Utf8.TryWrite(
                line,
                $"nslp: serve: cannot make {request->Value} the last PID for process {process} of user {user}: {why}",
                out length),
            _ => Utf8.TryWrite(line, $"nslp: serve: cannot answer process {process} of user {user}: {why}", out length),
        };
        _ = untold == 0
            ? Utf8.TryWrite(_line.AsSpan(length), $"\n", out int end)
            : Utf8.TryWrite(_line.AsSpan(length), $" (and {untold} more)\n", out end);
        untold = 0;
        Write(length + end);
    }

    private void Write(int length)
    {
        pollfd stderr = new() { fd = Stderr, events = POLLOUT };
        if (!Kernel.IsGiven(Stderr) || poll(&stderr, 1, 0) != 1)
        {
            _lost++;
            return;
        }

        fixed (byte* line = _line)
        {
            _ = write(Stderr, line, length);
            if (_lost > 0 && Utf8.TryWrite(_line, $"nslp: serve: {_lost} lines before this were lost\n", out length))
            {
                _lost = 0;
                _ = write(Stderr, line, length);
            }
        }
    }
}
