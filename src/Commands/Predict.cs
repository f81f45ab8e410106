namespace SetNsLastPid.Commands;

/// <summary><c>nslp predict</c>: prints the PIDs that the next processes get if nobody else makes or ends one.</summary>
/// <remarks>Does not take a PID itself once it has read the cursor.</remarks>
internal static class Predict
{
    private const string Name = "predict";

    /// <returns>The exit status; <see cref="Output.Failed"/> also when fewer PIDs are left.</returns>
    internal static int Run(int most, int target, bool isJson)
    {
        using PidSpace space = PidSpace.Open(target);
        int pidMax = Output.Of(space.ReadPidMax(), Stage.ReadPidMax);
        // nslp is gone by the time of the next process, and its numbers are free.
        PidSet inUse = PidSetModule.except(space.ReadOwnNumbers(), space.ReadNumbersInUse());
        bool mayBeBlind = space.MayBeBlind;
        PidNamespace seen = PidNamespaceModule.observed(Output.Of(space.ReadLastPid(), Stage.ReadLastPid), pidMax, inUse);
        if (mayBeBlind)
        {
            Output.Say(Name, "warning: /proc does not show all processes; the kernel will skip the PIDs of hidden ones");
        }

        Results results = new(Name);
        int count = 0;
        IEnumerable<int> pids = PidNamespaceModule.predict(most, seen).TakeWhile(_ => results.Go());
        if (isJson)
        {
            results.WriteResult(() =>
            {
                results.Json.WriteNumber("last_pid", PidNamespaceModule.lastPid(seen));
                results.Json.WriteNumber("pid_max", seen.PidMax);
                results.Json.WriteArray("next_pids", pids, pid =>
                {
                    results.Json.WriteNumberValue(pid);
                    count++;
                });
                TellFew();
            });
        }
        else
        {
            foreach (int pid in pids)
            {
                results.Add(pid.ToString() + '\n');
                count++;
            }

            TellFew();
        }

        int status = results.End();
        return status == Output.Done && count < most ? Output.Failed : status;

        void TellFew()
        {
            if (count < most && results.Status == Output.Done)
            {
                _ = Output.Fail(Name, count == 1 ? "only 1 PID is left" : $"only {count} PIDs are left");
            }
        }
    }
}
