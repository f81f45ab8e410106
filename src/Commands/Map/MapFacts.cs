using Microsoft.FSharp.Core;

namespace SetNsLastPid.Commands;

/// <summary>What was read of a PID namespace to draw it.</summary>
/// <param name="InUse">The numbers in use, without nslp's own.</param>
/// <param name="MayBeBlind">Whether processes may be hidden.</param>
/// <param name="Target">A number to show the place of; -1 for none.</param>
internal sealed record MapFacts(int LastPid, int PidMax, PidSet InUse, bool MayBeBlind, int Target)
{
    internal static Errno Read(PidSpace space, int target, out MapFacts? facts)
    {
        SysResult pidMax = space.ReadPidMax();
        // nslp is gone when the picture is looked at.
        PidSet inUse = PidSetModule.except(space.ReadOwnNumbers(), space.ReadNumbersInUse());
        SysResult lastPid = space.ReadLastPid();
        Errno error = pidMax.IsError ? pidMax.Error : lastPid.Error;
        facts = error == 0 ? new MapFacts(lastPid.Value, pidMax.Value, inUse, space.MayBeBlind, target) : null;
        return error;
    }

    internal PidNamespace Namespace => PidNamespaceModule.observed(LastPid, PidMax, InUse);

    /// <summary>The picture with at most so many rows of cells.</summary>
    internal MapPicture Draw(int columns, int rows) => PidMap.draw(
        columns,
        rows,
        Target < 0 ? FSharpValueOption<int>.None : FSharpValueOption<int>.Some(Target),
        Namespace);
}

/// <summary>A place on the picture of a PID namespace that has a sign of its own.</summary>
/// <param name="Pid">The number; -1 for none.</param>
/// <param name="Sign">What stands in its cell.</param>
/// <param name="PlainSign">The same in ASCII.</param>
/// <param name="Text">What it is, in words.</param>
internal sealed record MapMark(string Name, int Pid, char Sign, char PlainSign, Colour Colour, string Text)
{
    internal static List<MapMark> Of(MapFacts facts, MapPicture picture)
    {
        string next = picture.Next.IsSome ? $"the next PID: {picture.Next.Value}" : "no PID is left";
        List<MapMark> marks = [new("next", Number(picture.Next), '▲', '^', Colour.Green, $"{next} (last_pid is {facts.LastPid})")];
        if (picture.Wrap.IsSome)
        {
            string wrap = $"after the wrap at {facts.PidMax} comes {picture.Wrap.Value}";
            marks.Add(new MapMark("wrap", picture.Wrap.Value, '↺', 'w', Colour.Blue, wrap));
        }

        if (facts.Target >= 0)
        {
            string target = $"{facts.Target}: {Words(facts, picture)}";
            marks.Add(new MapMark("target", Number(picture.Target), '◆', '@', Colour.Magenta, target));
        }

        return marks;
    }

    /// <summary>The one that is shown in a cell, or null.</summary>
    internal static MapMark? At(int cell, MapPicture picture, List<MapMark> marks) => marks
        .Where(mark => mark.Pid >= 0 && PidMap.cellOf(mark.Pid, picture) == cell)
        .MinBy(mark => mark.Name != "target");

    private static string Words(MapFacts facts, MapPicture picture)
    {
        string held = facts.Target == 0 ? "no process's PID"
            : PidSetModule.contains(facts.Target, facts.InUse) ? "in use"
            : "free";
        return picture.Target.IsNone ? "not below pid_max" : picture.Reach switch
        {
            Reach.After { Allocations: 0 } => $"{held}, last_pid already",
            Reach.After after => $"{held}, last_pid after {after.Allocations} more PIDs",
            Reach.Never never => $"{held}, cannot be reached by cycling: {SetNsLastPid.Words.obstacle(never.Obstacle)}",
            _ => "",
        };
    }

    internal static int Number(FSharpValueOption<int> pid) => pid.IsSome ? pid.Value : -1;
}
