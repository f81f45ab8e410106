namespace SetNsLastPid.Commands;

/// <summary>What stands out, as parameters of the terminal's SGR sequence: legible on a dark and a light ground.</summary>
internal enum Colour
{
    /// <summary>Weightier than the rest.</summary>
    Bold = 1,

    /// <summary>Less weighty than the rest.</summary>
    Faint = 2,

    /// <summary>Wrong.</summary>
    Red = 31,

    /// <summary>Right.</summary>
    Green = 32,

    /// <summary>To be noticed.</summary>
    Yellow = 33,

    /// <summary>A third kind.</summary>
    Blue = 34,

    /// <summary>A fourth kind.</summary>
    Magenta = 35,
}
