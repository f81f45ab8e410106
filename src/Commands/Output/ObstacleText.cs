namespace SetNsLastPid.Commands;

/// <summary>Why a number cannot be reached by consuming PIDs, for who did not take any of them himself.</summary>
internal static class ObstacleText
{
    /// <summary>In words.</summary>
    internal static string Describe(Obstacle obstacle) => obstacle switch
    {
        { IsBelowReserved: true } => "after a wrap PIDs start at 300",
        { IsNoneFree: true } => "no PID is free",
        _ => "it is out of range",
    };

    /// <summary>Its name; stable.</summary>
    internal static string Name(Obstacle obstacle) => obstacle switch
    {
        { IsBelowReserved: true } => "below_reserved",
        { IsNoneFree: true } => "none_free",
        _ => "out_of_range",
    };
}
