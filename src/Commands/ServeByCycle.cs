using System.Diagnostics;
using SetNsLastPid.Linux;

namespace SetNsLastPid.Commands;

/// <summary>Serves by consuming PIDs.</summary>
/// <param name="space">Ready to consume.</param>
/// <param name="timeout">Seconds after which to give up on a request; may be infinite.</param>
internal sealed class ServeByCycle(ServePidSpace space, double timeout) : IServeWay
{
    /// <inheritdoc/>
    public string Method => "cycle";

    /// <inheritdoc/>
    public bool TakesLong => true;

    /// <inheritdoc/>
    public string? Set(int pid, int client, out int error)
    {
        long deadline = double.IsFinite(timeout)
            ? Stopwatch.GetTimestamp() + (long)(timeout * Stopwatch.Frequency)
            : long.MaxValue;
        // Whether the client ends now, as nslp set does, or goes on to fork, cannot be known. So its numbers are taken
        // for free by then, unless that makes it impossible.
        space.Client = client;
        Landing landing = new(space, pid);
        LandingEnd end = landing.Run(deadline);
        if (landing.Obstacle is Obstacle.Ours)
        {
            space.Client = 0;
            landing = new Landing(space, pid);
            end = landing.Run(deadline);
        }

        error = end == LandingEnd.Broken ? landing.Error : 0;
        return end switch
        {
            LandingEnd.Landed => null,
            LandingEnd.Hopeless => ObstacleText.Describe(landing.Obstacle!),
            LandingEnd.TimedOut => "no time left",
            LandingEnd.OutOfLaps => "others take PIDs too fast",
            _ => "",
        };
    }
}
