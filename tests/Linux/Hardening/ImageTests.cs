using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>The image of contrib/Containerfile in podman, and the command lines of doc/containers.md.</summary>
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

        // Storage of its own. runc, as crun has no mind for cgroups v1 and v2 side by side. Lower limits
        // than podman's own, which it may not always set. A second image without nslp shows whether containers run here at all.
        DirectoryInfo scratch = Directory.CreateTempSubdirectory("nslp-image-");
        try
        {
            Finished run = Shell.Start($$"""
                command -v podman >/dev/null && command -v runc >/dev/null && command -v busybox >/dev/null || { echo 'podman, runc and busybox'; exit 77; }
                cd {{scratch}} && mkdir -p nslp/about/linux-x64 control && cp {{Tool.Path}} nslp/nslp && touch nslp/about/linux-x64/THIRD-PARTY-NOTICES && cp $(command -v busybox) control/busybox
                podman() {
                    local verb=$1 limits=; shift
                    case $verb in run | create) limits='--ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --network none' ;; esac
                    command podman --root $PWD/root --runroot $PWD/run --storage-driver vfs --cgroup-manager cgroupfs --runtime runc $verb $limits "$@"
                }
                printf 'FROM scratch\nCOPY busybox /busybox\n' >control/Containerfile
                { podman build -q -t control control && podman run --rm control /busybox true; } >control/log 2>&1 || { tail -n 1 control/log; exit 77; }
                podman build -q -t nslp -f {{Source.Directory}}/contrib/Containerfile nslp >/dev/null || exit 1
                {{commands}}
                command podman --root $PWD/root --runroot $PWD/run --storage-driver vfs rm -fa >/dev/null
                """).Finish();
            Assert.SkipWhen(run.Status == 77, $"needs podman as root, runc and busybox, and to run containers: {run.Output}{run.Errors}");

            Assert.Matches("^" + string.Join("\n", block.Select(line => Regex.Escape(line).Replace(@"\.\.\.", ".*"))) + "\n$", run.Output);
        }
        finally
        {
            Shell.Start($"rm -rf {scratch}").Finish();
        }
    }
}
