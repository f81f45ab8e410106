using System.Globalization;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp predict</c>: prints the PIDs that the next processes get if nobody else makes or ends one.</summary>
/// <remarks>Does not take a PID itself once it has read the cursor.</remarks>
internal static class Predict
{
    private const string Name = "predict";

    /// <summary>Runs the command.</summary>
    /// <returns>The exit status; <see cref="Output.Failed"/> also when fewer PIDs are left.</returns>
    internal static int Run(PredictOptions options)
    {
        try
        {
            using PidSpace space = PidSpace.Open(options.Target);
            SysResult pidMax = space.ReadPidMax();
            if (pidMax.IsError)
            {
                return Output.Fail(Name, Words.look(Stage.ReadPidMax, pidMax.Error));
            }

            // nslp is gone by the time of the next process, and its numbers are free.
            PidSet inUse = PidSetModule.except(space.ReadOwnNumbers(), space.ReadNumbersInUse());
            bool mayBeBlind = space.MayBeBlind;
            SysResult last = space.ReadLastPid();
            if (last.IsError)
            {
                return Output.Fail(Name, Words.look(Stage.ReadLastPid, last.Error));
            }

            int status = Print(options, PidNamespaceModule.observed(last.Value, pidMax.Value, inUse), mayBeBlind);
            space.Dispose();
            return status;
        }
        catch (RemoteException e)
        {
            return Output.Fail(Name, e);
        }
    }

    private static int Print(PredictOptions options, PidNamespace seen, bool mayBeBlind)
    {
        if (mayBeBlind)
        {
            Output.Say(Name, "warning: /proc does not show all processes; PIDs of hidden ones are passed over unforeseen");
        }

        Results results = new(Name);
        if (options.Json)
        {
            results.Text.Append(
                CultureInfo.InvariantCulture,
                $$"""{"last_pid":{{PidNamespaceModule.lastPid(seen)}},"pid_max":{{seen.PidMax}},"next":[""");
        }

        int count = 0;
        foreach (int pid in PidNamespaceModule.predict(options.Count, seen))
        {
            if (!results.Go())
            {
                break;
            }

            results.Text.Append(options.Json && count > 0 ? "," : "").Append(pid).Append(options.Json ? "" : "\n");
            count++;
        }

        results.Text.Append(options.Json ? "]}\n" : "");
        results.Flush();
        return results.Status == Output.Done && count < options.Count
            ? Output.Fail(Name, count == 1 ? "only 1 PID is left" : $"only {count} PIDs are left")
            : results.Status;
    }
}
