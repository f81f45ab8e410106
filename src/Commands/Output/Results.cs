using System.Text;

namespace SetNsLastPid.Commands;

/// <summary>A result of any length, written to stdout part by part.</summary>
/// <param name="command">The command's name.</param>
/// <param name="progress">A line that must not be there while something is written, or null.</param>
internal sealed class Results(string command, ProgressLine? progress = null)
{
    private const int Part = 64 * 1024;

    /// <summary>What comes next. To be ended by <see cref="Flush"/>.</summary>
    internal StringBuilder Text { get; } = new(2 * Part);

    /// <summary><see cref="Output.Done"/>, or else what <see cref="Output.Print"/> gave.</summary>
    internal int Status { get; private set; } = Output.Done;

    /// <summary>Writes what there is if it is much.</summary>
    /// <returns>Whether all could be written so far.</returns>
    internal bool Go()
    {
        if (Text.Length >= Part)
        {
            Flush();
        }

        return Status == Output.Done;
    }

    /// <summary>Writes what there is.</summary>
    internal void Flush()
    {
        progress?.Hide();
        if (Status == Output.Done)
        {
            Status = Output.Print(command, Text.ToString());
        }

        Text.Clear();
    }
}
