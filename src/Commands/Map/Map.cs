using System.Text.Json;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp map</c>: draws the PID space, on the terminal or into a file.</summary>
internal static class Map
{
    private const string Name = "map";
    private const int Rows = 16;

    internal static int Run(MapOptions options)
    {
        Look look = Look.Of(options.Color);
        if (options.Watch && !look.CanMove)
        {
            return Output.Fail(
                Name, "--watch needs a terminal that can move its cursor", 0, "works without --watch");
        }

        using PidSpace space = PidSpace.Open(options.Target);
        Errno error = MapFacts.Read(space, options.Pid, out MapFacts? facts);
        if (facts is null)
        {
            return Output.Fail(Name, "cannot read last_pid and pid_max from /proc", error, Words.needsProc(error));
        }

        if (facts.MayBeBlind)
        {
            Output.Say(Name, "warning: /proc does not show all processes; numbers of hidden ones are drawn as free");
        }

        return options.Watch ? new MapWatch(space, options, facts).Run()
            : options.Svg is not null ? WriteSvg(options.Svg, MapSvg.Draw(facts))
            : options.Json ? Output.PrintJson(Name, json => Write(json, facts))
            : Output.Print(Name, new MapText(look).Draw(facts, Rows));
    }

    private static void Write(Utf8JsonWriter json, MapFacts facts)
    {
        MapPicture picture = facts.Draw(64, Rows);
        json.WriteNumber("last_pid", facts.LastPid);
        json.WriteNumber("pid_max", facts.PidMax);
        json.WriteNumber("in_use", picture.Held);
        json.WriteBoolean("may_be_blind", facts.MayBeBlind);
        json.WriteMaybe("next", MapMark.Number(picture.Next) is >= 0 and var next ? next : null);
        json.WriteMaybe("wrap", MapMark.Number(picture.Wrap) is >= 0 and var wrap ? wrap : null);
        json.WriteMaybe("target", facts.Target >= 0, () =>
        {
            json.WriteNumber("pid", facts.Target);
            json.WriteBoolean("held", PidSetModule.contains(facts.Target, facts.InUse));
            json.WriteMaybe("away", picture.Reach is Reach.After after ? after.Allocations : null);
            json.WriteString("obstacle", picture.Reach is Reach.Never never ? Words.obstacleName(never.Obstacle) : null);
        });
        json.WriteNumber("block_size", picture.BlockSize);
        json.WriteArray("blocks", picture.Blocks.Where(block => block.Held > 0), block => json.WriteObject(null, () =>
        {
            json.WriteNumber("first", block.First);
            json.WriteNumber("last", block.Last);
            json.WriteNumber("in_use", block.Held);
        }));
    }

    // To a file that must not exist, or with "-" to stdout.
    private static int WriteSvg(string path, string text)
    {
        if (path == "-")
        {
            return Output.Print(Name, text);
        }

        using NewFile file = new(path);
        if (file.Error != 0)
        {
            return Output.Fail(
                Name, $"cannot create '{path}'", file.Error,
                file.Error == Errno.EEXIST ? "nslp overwrites no file: '--svg -' writes to stdout" : null);
        }

        Errno error = file.Write(Encoding.UTF8.GetBytes(text));
        return error == 0 ? Output.Done : Output.Fail(Name, $"cannot write '{path}'", error);
    }
}
