using Microsoft.FSharp.Collections;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp verify</c>: random operations on real PID namespaces, and on the model, which must agree.</summary>
internal static class Verify
{
    private const string Name = "verify";

    private const int Unavailable = 3;

    private const int MostFiles = 1000;

    // More than 10,000 operations, the most that a run has, take as text.
    private const int MostBytes = 16 << 20;

    /// <summary>Runs the command.</summary>
    /// <returns>The exit status: 0 model and kernel agree, 1 they differ, 3 this cannot be done here, the file to replay not be read or the
    /// result not be written, 128 + n ended by signal n.</returns>
    internal static int Run(VerifyOptions options)
    {
        FSharpList<Operation>? replay = null;
        if (options.Replay is not null && !TryRead(options.Replay, out replay))
        {
            return Unavailable;
        }

        try
        {
            // Before anything that makes a thread: the zygote is best the child of a process with one.
            using Sandboxes sandboxes = new();
            return Run(options, replay, sandboxes);
        }
        catch (RemoteException e)
        {
            _ = Output.Fail(Name, e);
            return Unavailable;
        }
    }

    /// <summary>Runs the command on these sandboxes, with the operations of a file if there are any.</summary>
    internal static int Run(VerifyOptions options, FSharpList<Operation>? replay, ISandboxes sandboxes)
    {
        using CaughtSignals caught = new();
        Array.ForEach(DefaultSignals.FindDefault(), caught.Catch);
        int signal = 0, runs = 0;
        ulong seed = options.Seed ?? (ulong)Random.Shared.Next();
        IEnumerable<FSharpList<Operation>> sequences =
            replay is null ? Runner.sequences(seed, options.Runs, options.Steps) : [replay];
        using ProgressLine progress = new(Name);
        long start = Stopwatch.GetTimestamp();
        try
        {
            Report report = Runner.runAll(sandboxes, replay is null, Show, IsInterrupted, sequences);
            VerifyResult result = new(
                options, replay is null ? seed : null, sandboxes.Setting, report, Stopwatch.GetElapsedTime(start));
            progress.Hide();
            string? file = report.Difference.IsSome && replay is null ? Save(result) : null;
            int written = options.Json
                ? Output.PrintJson(Name, json => result.Write(json, file))
                : Output.Print(Name, result.ToText(file));
            return report.Difference.IsSome ? Output.Failed
                : written == Output.Done ? Output.Done
                : Unavailable;
        }
        catch (OperationCanceledException)
        {
            progress.Hide();
            Output.Say(Name, $"interrupted: {runs} of {options.Runs} runs, in which model and kernel agree");
            return 128 + signal;
        }

        void Show(int done)
        {
            if (replay is null)
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

    private static bool TryRead(string path, out FSharpList<Operation>? operations)
    {
        operations = null;
        byte[] text = new byte[MostBytes];
        SysResult length = Proc.ReadAny(Encoding.UTF8.GetBytes(path + "\0"), text);
        if (length.IsError)
        {
            _ = Output.Fail(Name, $"cannot read '{path}'", length.Error);
            return false;
        }

        if (length.Value == MostBytes)
        {
            _ = Output.Fail(Name, $"cannot read '{path}': it is longer than {MostBytes >> 20} MiB");
            return false;
        }

        var parsed = ReplayText.parse(Encoding.Latin1.GetString(text, 0, length.Value));
        if (!parsed.IsOk)
        {
            _ = Output.Fail(Name, $"cannot replay '{path}': {parsed.ErrorValue}");
            return false;
        }

        operations = parsed.ResultValue;
        return true;
    }

    // A file that was not there before; null, said on stderr, where none can be made.
    private static string? Save(VerifyResult result)
    {
        for (int i = 1; i <= MostFiles; i++)
        {
            string path = $"nslp-verify-{result.Seed}-{result.Run}{(i == 1 ? "" : $"-{i}")}.replay";
            using Fd file = Output.CreateNew(path);
            Errno error = file.IsOpen ? Output.WriteTo(file.Number, Encoding.Latin1.GetBytes(result.ToReplay())) : file.Error;
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
