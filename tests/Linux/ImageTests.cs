using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>The image of contrib/Containerfile in podman, and the command lines of doc/containers.md.</summary>
[Collection("podman")]
public sealed class ImageTests
{
    [Fact]
    public void Each_command_line_of_the_document_prints_what_stands_there()
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Tool.IsNative, "needs the native file");
        // "    $ COMMAND", and what it prints below it; "..." is anything.
        string[] block = [.. File.ReadLines(Path.Combine(Source.Directory, "doc/containers.md"))
            .SkipWhile(line => line != "## In podman")
            .Where(line => line.StartsWith("    ", StringComparison.Ordinal)).Select(line => line[4..])];
        string commands = string.Join('\n', block.Where(line => line.StartsWith("$ podman", StringComparison.Ordinal))
            .Select(line => $"echo '{line}'; {line[2..]} 2>&1"));

        DirectoryInfo temporary = Directory.CreateTempSubdirectory("nslp-image-");
        try
        {
            Finished run = Shell.InNewPidNamespace($"""
                export TMPDIR={temporary}; here={Source.Directory}/tests/Recipes/Containers
                set -e; . $here/with-podman; set +e
                {commands}
                """).Finish();
            Assert.SkipWhen(run.Status == 77, run.Output);

            Assert.Matches("^" + string.Join("\n", block.Select(line => Regex.Escape(line).Replace(@"\.\.\.", ".*"))) + "\n$", run.Output);
        }
        finally
        {
            temporary.Delete(recursive: true);
        }
    }
}
