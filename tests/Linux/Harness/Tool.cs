using System.Diagnostics;

namespace SetNsLastPid.Tests.Linux;

/// <summary>The nslp that is tested, where every user may run it: the native file, if one could be made.</summary>
internal static class Tool
{
    private static readonly Lazy<string> s_directory = new(FindDirectory);

    /// <summary>The directory of what was built with these tests.</summary>
    internal static string Directory => s_directory.Value;

    /// <summary>The path of nslp.</summary>
    internal static string Path => System.IO.Path.Combine(Directory, IsNative ? "native/nslp" : "nslp");

    /// <summary>Whether it is the native file.</summary>
    internal static bool IsNative => File.Exists(System.IO.Path.Combine(AppContext.BaseDirectory, "native/nslp"));

    // A checkout below a private home is out of reach for the unprivileged user of the tests.
    private static string FindDirectory()
    {
        string built = AppContext.BaseDirectory;
        if (!Machine.IsRoot || Shell.Start($"setpriv {Shell.Unprivileged} test -x '{built}/nslp'").Finish().Status == 0)
        {
            return built;
        }

        DirectoryInfo copy = System.IO.Directory.CreateTempSubdirectory("nslp-tests-");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => copy.Delete(recursive: true);
        using Process cp = Process.Start("cp", ["-r", built + "/.", copy.FullName]);
        cp.WaitForExit();
        copy.UnixFileMode |= UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        return copy.FullName;
    }
}
