using System.Globalization;
using Microsoft.FSharp.Core;

namespace SetNsLastPid.Commands;

/// <summary>A place on the picture of a PID namespace that has a sign of its own.</summary>
/// <param name="Name">Its name; stable.</param>
/// <param name="Pid">The number; -1 for none.</param>
/// <param name="Sign">What stands in its cell.</param>
/// <param name="PlainSign">The same in ASCII.</param>
/// <param name="Colour">The colour of the sign.</param>
/// <param name="Text">What it is, in words.</param>
internal sealed record MapMark(string Name, int Pid, char Sign, char PlainSign, Colour Colour, string Text)
{
    /// <summary>All of them.</summary>
    internal static List<MapMark> Of(MapFacts facts, MapPicture picture)
    {
        List<MapMark> marks =
        [
            Next(picture) with
            {
                Text = picture.Next.IsSome
                    ? Invariant($"the next PID: {picture.Next.Value} (last_pid is {facts.LastPid})")
                    : Invariant($"no PID is left (last_pid is {facts.LastPid})"),
            },
        ];
        if (picture.Wrap.IsSome)
        {
            marks.Add(Wrap(picture) with { Text = Invariant($"after the wrap at {facts.PidMax} comes {picture.Wrap.Value}") });
        }

        if (facts.Target >= 0)
        {
            marks.Add(Target(picture) with { Text = Words(facts, picture) });
        }

        return marks;
    }

    /// <summary>The one that is shown in a cell, or null.</summary>
    internal static MapMark? At(int cell, MapPicture picture) =>
        Array.Find(
            [Target(picture), Next(picture), Wrap(picture)],
            mark => mark.Pid >= 0 && PidMap.cellOf(mark.Pid, picture) == cell);

    private static MapMark Next(MapPicture picture) => new("next", Number(picture.Next), '▲', '^', Colour.Green, "");

    private static MapMark Wrap(MapPicture picture) => new("wrap", Number(picture.Wrap), '↺', 'w', Colour.Blue, "");

    private static MapMark Target(MapPicture picture) => new("target", Number(picture.Target), '◆', '@', Colour.Magenta, "");

    private static string Words(MapFacts facts, MapPicture picture)
    {
        string held = facts.Target == 0 ? "no process's PID"
            : PidSetModule.contains(facts.Target, facts.InUse) ? "in use"
            : "free";
        return picture.Target.IsNone
            ? Invariant($"{facts.Target}: not below pid_max")
            : picture.Reach switch
            {
                Reach.After { Allocations: 0 } => Invariant($"{facts.Target}: {held}, the last PID already"),
                Reach.After after => Invariant($"{facts.Target}: {held}, the last PID when {after.Allocations} more are consumed"),
                Reach.Never never => Invariant($"{facts.Target}: {held}, not to be reached by cycling: {SetNsLastPid.Words.obstacle(never.Obstacle)}"),
                _ => "",
            };
    }

    private static int Number(FSharpValueOption<int> pid) => pid.IsSome ? pid.Value : -1;

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
