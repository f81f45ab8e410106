using System.Text.Json;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp map</c>: draws the PID space, on the terminal or into a file.</summary>
internal static class Map
{
    private const string Name = "map";
    private const int Rows = 16;

    /// <summary>Runs the command.</summary>
    /// <returns>The exit status.</returns>
    internal static int Run(MapOptions options)
    {
        Look look = Look.Of(1);
        if (options.Watch && !look.CanMove)
        {
            return Output.Fail(
                Name, "cannot draw over and over: stdout is no terminal that can move its cursor", 0, "works without --watch");
        }

        try
        {
            using PidSpace space = PidSpace.Open(options.Target);
            int error = TryRead(space, options.Pid, out MapFacts? facts);
            if (error != 0)
            {
                return Output.Fail(Name, "cannot read last_pid and pid_max from /proc", error, Output.NeedsProc(error));
            }

            if (facts!.MayBeBlind)
            {
                Output.Say(Name, "warning: /proc does not show all processes; numbers of hidden ones are drawn as free");
            }

            return options.Watch ? MapWatch.Run(space, options.Pid, facts)
                : options.Svg is not null ? MapFile.Write(options.Svg, MapSvg.Draw(facts))
                : Output.Print(Name, options.Json ? ToJson(facts) : ToText(facts, look));
        }
        catch (RemoteException e)
        {
            return Output.Fail(Name, e);
        }
    }

    /// <summary>Reads a namespace.</summary>
    /// <returns>0 or an errno.</returns>
    internal static int TryRead(PidSpace space, int target, out MapFacts? facts)
    {
        facts = null;
        int pidMax = (int)space.ReadPidMax().Raw;
        // nslp is gone when the picture is looked at.
        PidSet inUse = PidSetModule.except(space.ReadOwnNumbers(), space.ReadNumbersInUse());
        int lastPid = (int)space.ReadLastPid().Raw;
        if (pidMax < 0 || lastPid < 0)
        {
            return -Math.Min(pidMax, lastPid);
        }

        facts = new MapFacts(lastPid, pidMax, inUse, space.MayBeBlind, target);
        return 0;
    }

    private static string ToText(MapFacts facts, Look look)
    {
        MapText text = new(look);
        return text.Draw(facts, facts.Draw(text.Columns(facts.PidMax), Rows));
    }

    private static string ToJson(MapFacts facts)
    {
        MapPicture picture = facts.Draw(64, Rows);
        return JsonText.Object(json =>
        {
            json.WriteNumber("last_pid", facts.LastPid);
            json.WriteNumber("pid_max", facts.PidMax);
            json.WriteNumber("in_use", picture.Held);
            json.WriteBoolean("may_be_blind", facts.MayBeBlind);
            foreach (MapMark mark in MapMark.Of(facts, picture).Where(mark => mark.Name != "target" && mark.Pid >= 0))
            {
                json.WriteNumber(mark.Name, mark.Pid);
            }

            if (facts.Target >= 0)
            {
                WriteTarget(json, facts, picture);
            }

            json.WriteNumber("block_size", picture.BlockSize);
            json.WriteStartArray("blocks");
            foreach (MapBlock block in picture.Blocks.Where(block => block.Held > 0))
            {
                json.WriteStartObject();
                json.WriteNumber("first", block.First);
                json.WriteNumber("last", block.Last);
                json.WriteNumber("in_use", block.Held);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    private static void WriteTarget(Utf8JsonWriter json, MapFacts facts, MapPicture picture)
    {
        json.WriteStartObject("target");
        json.WriteNumber("pid", facts.Target);
        json.WriteBoolean("in_use", PidSetModule.contains(facts.Target, facts.InUse));
        if (picture.Reach is Reach.After after)
        {
            json.WriteNumber("away", after.Allocations);
        }
        else if (picture.Reach is Reach.Never never)
        {
            json.WriteString("obstacle", Words.obstacleName(never.Obstacle));
        }

        json.WriteEndObject();
    }
}
