using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.FSharp.Collections;
using SetNsLastPid.Linux;
using SetNsLastPid.Verification;
using Tmds.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp verify</c>: random operations on real PID namespaces, and on the model, which must agree.</summary>
internal static class Verify
{
    private const string Name = "verify";

    /// <summary>There can be no sandbox here.</summary>
    private const int Unavailable = 3;

    private const int MostFiles = 1000;

    // More than 10,000 operations, the most that a run has, take as text.
    private const int MostBytes = 16 << 20;

    /// <summary>Runs the command.</summary>
    /// <returns>The exit status: 0 model and kernel agree, 1 they differ, 2 there is no such file to replay or it is none,
    /// 3 this cannot be done here or its result not be written, 128 + n ended by signal n.</returns>
    internal static int Run(VerifyOptions options)
    {
        FSharpList<Operation>? replay = null;
        if (options.Replay is not null && !TryRead(options.Replay, out replay))
        {
            return Output.Misused;
        }

        try
        {
            // Before anything that makes a thread: the zygote is best the child of a process with one.
            using Sandboxes sandboxes = new();
            return Run(options, replay, sandboxes);
        }
        catch (UnavailableException e)
        {
            _ = Output.Fail(Name, e.Message, 0, e.Help);
            return Unavailable;
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
        using CancellationTokenSource cancel = new();
        int signal = 0;
        using PosixSignalRegistration interrupt = On(PosixSignal.SIGINT, 2);
        using PosixSignalRegistration terminate = On(PosixSignal.SIGTERM, 15);
        using PosixSignalRegistration hangUp = On(PosixSignal.SIGHUP, 1);

        ulong seed = options.Seed ?? (ulong)Random.Shared.Next();
        IEnumerable<FSharpList<Operation>> sequences =
            replay is null ? Runner.sequences(seed, options.Runs, options.Steps) : [replay];
        using ProgressLine progress = new(Name);
        long start = Stopwatch.GetTimestamp();
        try
        {
            Report report = Runner.runAll(sandboxes, replay is null, Show, cancel.Token, sequences);
            VerifyResult result = new(
                options, replay is null ? seed : null, sandboxes.Setting, report, Stopwatch.GetElapsedTime(start));
            progress.Hide();
            string? file = report.Difference.IsSome && replay is null ? Save(result) : null;
            int written = Output.Print(Name, options.Json ? result.ToJson(file) : result.ToText(file));
            return report.Difference.IsSome ? Output.Failed
                : written == Output.Done ? Output.Done
                : Unavailable;
        }
        catch (OperationCanceledException)
        {
            progress.Hide();
            Output.Say(Name, "interrupted");
            return 128 + signal;
        }

        void Show(int done)
        {
            if (replay is null)
            {
                progress.Show($"{done} of {options.Runs} runs");
            }
        }

        PosixSignalRegistration On(PosixSignal name, int number) => PosixSignalRegistration.Create(name, context =>
        {
            context.Cancel = true;
            signal = number;
            cancel.Cancel();
        });
    }

    private static bool TryRead(string path, out FSharpList<Operation>? operations)
    {
        operations = null;
        byte[] text = new byte[MostBytes];
        int length = Proc.ReadAny(Encoding.UTF8.GetBytes(path + "\0"), text).Value;
        if (length < 0)
        {
            _ = Output.Fail(Name, $"cannot read '{path}'", -length);
            return false;
        }

        if (length == MostBytes)
        {
            _ = Output.Fail(Name, $"cannot read '{path}': it is longer than {MostBytes >> 20} MiB");
            return false;
        }

        var parsed = ReplayText.parse(Encoding.Latin1.GetString(text, 0, length));
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
        string text = result.ToReplay();
        for (int i = 1; i <= MostFiles; i++)
        {
            string path = string.Create(
                CultureInfo.InvariantCulture, $"nslp-verify-{result.Seed}-{result.Run}{(i == 1 ? "" : $"-{i}")}.replay");
            try
            {
                using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write);
                file.Write(Encoding.Latin1.GetBytes(text));
                return path;
            }
            catch (IOException) when (File.Exists(path) || new FileInfo(path).LinkTarget is not null)
            {
                // The next number.
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Output.Say(Name, $"cannot write '{path}': {Reason(e)}");
                return null;
            }
        }

        Output.Say(Name, "cannot write a replay file: there are too many");
        return null;
    }

    private static string Reason(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => Output.Describe((int)Errno.ENOENT),
        UnauthorizedAccessException => Output.Describe((int)Errno.EACCES),
        _ => e.Message,
    };
}
