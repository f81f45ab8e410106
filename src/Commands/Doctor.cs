using System.Text;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary><c>nslp doctor</c>: says which methods work here.</summary>
internal static class Doctor
{
    private const string Name = "doctor";

    /// <summary>Runs the command.</summary>
    /// <returns>The exit status: 0 when some method of choosing a PID works.</returns>
    internal static int Run(DoctorOptions options)
    {
        int error = LastPid.OpenForReading(out LastPid? lastPid);
        if (error < 0)
        {
            return Output.Fail(Name, "cannot read last_pid from /proc", -error, "needs /proc mounted");
        }

        using (lastPid)
        {
            bool works = false;
            StringBuilder text = new();
            foreach (CyclingClone way in CyclingClone.All)
            {
                int result = CyclingProbe.Probe(way, lastPid!);
                works |= result == 0;
                text.Append(options.Json ? "," : "")
                    .Append(options.Json ? $"\"{way.Name}\":{(result == 0 ? "true" : "false")}"
                        : $"{way.Name}: {(result == 0 ? "works" : Output.Describe(result))}\n");
            }

            int status = Output.Print(Name, options.Json ? $"{{{text.ToString(1, text.Length - 1)}}}\n" : text.ToString());
            return works ? status : Output.Failed;
        }
    }
}
