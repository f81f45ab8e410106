using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp verify</c>: random operations on real PID namespaces, and on the model, which must agree.</summary>
internal static class Verify
{
    private const string Name = "verify";

    private const int MostFiles = 1000;

    private const int BySignal = 128;

    // More than 10,000 operations, the most that a run has, take as text.
    private const int MostBytes = 16 << 20;

    /// <returns>The exit status: 0 model and kernel agree; 1 they differ; 3 that cannot be told, or a file cannot be read or written.
    /// A signal ends it; 128 + n for PID 1, which no signal of its own ends.</returns>
    internal static int Run(VerifyOptions options)
    {
        int status = TryRun(options);
        if (status > BySignal)
        {
            CaughtSignals.Suffer(status - BySignal);
        }

        return status;
    }

    private static int TryRun(VerifyOptions options)
    {
        (FSharpList<Operation>? replay, KernelTrace? trace) = options.Replay is { } path ? Read(path) : default;
        using NewFile? junit = NewFile.For(options.Junit), record = NewFile.For(options.Record);
        if (!IsRight(junit) || !IsRight(record))
        {
            return Words.failureStatus(Name);
        }

        try
        {
            // Before anything that makes a thread: the zygote is best the child of a process with one.
            using Sandboxes sandboxes = new(here: options.Here);
            return trace is null || CanCompare(trace, sandboxes.Setting)
                ? Run(options, replay, sandboxes, trace, junit, record)
                : Words.failureStatus(Name);
        }
        catch (RemoteException e)
        {
            int status = Output.Fail(Name, e);
            if (options.Tap)
            {
                _ = Output.Print(Name, $"TAP version 13\n1..0 # SKIP {e.Message}\n");
            }

            return status;
        }
    }

    /// <summary>Runs the command on these sandboxes, with the operations or the trace of a file if there are any, and writes to
    /// the files for --junit and --record.</summary>
    internal static int Run(
        VerifyOptions options, FSharpList<Operation>? replay, ISandboxes sandboxes, KernelTrace? trace = null,
        NewFile? junit = null, NewFile? record = null)
    {
        using CaughtSignals caught = new();
        caught.CatchEnd();
        int signal = 0, runs = 0;
        bool isDrawn = options.Replay is null && replay is null;
        Recorder? recorder = record is null ? null : new Recorder(Linux.Kernel.Release(), sandboxes.Setting);
        ulong seed = options.Seed ?? (ulong)Random.Shared.Next();
        IEnumerable<FSharpList<Operation>> sequences =
            replay is null ? Runner.sequences(seed, options.Runs, options.Steps) : [replay];
        using ProgressLine progress = new(Name);
        long start = Stopwatch.GetTimestamp();
        try
        {
            FSharpList<FixedCase> cases = replay is null ? FixedCases.all : FSharpList<FixedCase>.Empty;
            Report report = trace is null
                ? Runner.runAll(sandboxes, recorder, isDrawn, Show, IsInterrupted, cases, sequences)
                : Runner.replay(sandboxes, Show, IsInterrupted, trace);
            VerifyResult result = new(
                options, isDrawn ? seed : null, trace?.Kernel, sandboxes.Setting, report, Stopwatch.GetElapsedTime(start));
            progress.Hide();
            string? file = result.Differs && (isDrawn || trace is not null) ? Save(result) : null;
            // Both are tried.
            bool isWhole = (junit is null || TryWrite(junit, Encoding.UTF8.GetBytes(result.ToJunit())))
                & (recorder is null || TryWrite(record!, Encoding.Latin1.GetBytes(recorder.Text)));
            if (report.Doubt is { } doubt)
            {
                _ = Output.Fail(Name, $"cannot tell: {doubt}");
            }

            int written = options.Json ? Output.PrintJson(Name, json => result.Write(json, file))
                : options.Tap ? Output.Print(Name, result.ToTap())
                : Output.Print(Name, result.ToText(file));
            return result.Differs ? Output.Failed
                : result.Agrees && isWhole && written == Output.Done ? Output.Done
                : Words.failureStatus(Name);
        }
        catch (OperationCanceledException)
        {
            progress.Hide();
            _ = Output.Fail(Name, $"interrupted after {runs} of {options.Runs} runs: no difference so far");
            if (options.Json)
            {
                Output.PrintError(Name);
            }
            else if (options.Tap)
            {
                _ = Output.Print(Name, "Bail out! interrupted\n");
            }

            return BySignal + signal;
        }

        void Show(int done)
        {
            if (isDrawn)
            {
                runs = done;
                progress.Show((double)done / options.Runs, $"{done} of {options.Runs} runs", done);
            }
        }

        bool IsInterrupted()
        {
            signal = signal == 0 ? caught.Next(wait: false).Number : signal;
            return signal != 0;
        }
    }

    private static bool CanCompare(KernelTrace trace, Setting here) =>
        trace.WhyNotIn(here) is not { } why || Output.Fail(Name, $"cannot compare: {why}") == Output.Done;

    // Operations or a trace. Throws RemoteException.
    private static (FSharpList<Operation>?, KernelTrace?) Read(string path)
    {
        byte[] text = new byte[MostBytes];
        SysResult length = Proc.ReadAny(Encoding.UTF8.GetBytes(path + "\0"), text);
        RemoteException.ThrowIf(length.Error, $"cannot read '{path}'");
        if (length.Value == MostBytes)
        {
            throw new RemoteException($"cannot read '{path}': it is longer than {MostBytes >> 20} MiB");
        }

        string content = Encoding.Latin1.GetString(text, 0, length.Value);
        return TraceText.isTrace(content)
            ? (null, OrThrow(TraceText.parse(content)))
            : (OrThrow(ReplayText.parse(content)), null);

        T OrThrow<T>(FSharpResult<T, string> parsed) =>
            parsed.IsOk ? parsed.ResultValue : throw new RemoteException($"cannot replay '{path}': {parsed.ErrorValue}");
    }

    private static bool TryWrite(NewFile file, byte[] text)
    {
        _ = file.Write(text);
        return IsRight(file);
    }

    private static bool IsRight(NewFile? file) =>
        file is null or { Error: 0 } || Output.Fail(Name, $"cannot write '{file.Path}'", file.Error) == Output.Done;

    // A file that was not there before; null, said on stderr, where none can be made.
    private static string? Save(VerifyResult result)
    {
        for (int i = 1; i <= MostFiles; i++)
        {
            string path = $"nslp-verify-{result.Place}{(i == 1 ? "" : $"-{i}")}.replay";
            using NewFile file = new(path);
            Errno error = file.Error != 0 ? file.Error : file.Write(Encoding.Latin1.GetBytes(result.ToReplay()));
            if (error == 0)
            {
                return path;
            }

            if (error != Errno.EEXIST)
            {
                Output.Say(Name, $"cannot write '{path}': {Output.Describe(error)}");
                return null;
            }
        }

        Output.Say(Name, "cannot write a replay file: all names for this run are taken");
        return null;
    }
}
