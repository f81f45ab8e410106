namespace SetNsLastPid.Commands;

/// <summary>Carries out what <see cref="Pick"/> decides.</summary>
/// <param name="space">The namespace, or null where it cannot be looked at.</param>
/// <param name="goal">What will do.</param>
/// <param name="pidMax">The namespace's pid_max, or more where that is not known.</param>
internal sealed class PickRun(PidSpace? space, Goal goal, int pidMax)
{
    private Pick _state = PickModule.start(goal, pidMax);

    /// <summary>The lowest number that will do, as far as was seen and said; 0 for none.</summary>
    internal int Next()
    {
        while (true)
        {
            (PickStep step, _state) = PickModule.next(_state);
            switch (step)
            {
                case { IsScan: true }:
                    _state = PickModule.scanned(space?.ReadNumbersInUse() ?? PidSetModule.empty, _state);
                    break;
                case PickStep.Look look:
                    _state = PickModule.held(
                        Enumerable.Range(look.First, look.Last - look.First + 1).Where(number => space?.IsHeld(number) ?? false), _state);
                    break;
                case PickStep.Try { Pid: var pid }:
                    return pid;
                default:
                    return 0;
            }
        }
    }

    /// <summary>A number turned out to be held.</summary>
    internal void Refuse(int pid) => _state = PickModule.held([pid], _state);

    /// <summary>The lowest number that will do and is not seen to be held; 0 for none.</summary>
    internal int FindFree()
    {
        int pid;
        while ((pid = Next()) != 0 && (space?.IsHeld(pid) ?? false))
        {
            Refuse(pid);
        }

        return pid;
    }
}
