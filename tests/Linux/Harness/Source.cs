using System.Runtime.CompilerServices;

namespace SetNsLastPid.Tests.Linux;

/// <summary>The checkout that these tests were built from.</summary>
internal static class Source
{
    /// <summary>Its root.</summary>
    internal static string Directory { get; } = Find();

    private static string Find([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(path, "../../../.."));
}
