using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What contrib/package made, installed and used. It must have been called before.</summary>
public sealed class PackageTests : IDisposable
{
    private static readonly string s_packages = Path.Combine(Source.Directory, "artifacts/packages");

    private readonly string _scratch = Directory.CreateTempSubdirectory("nslp-package-").FullName;

    public static TheoryData<string> Forms => ["tool", "directory", "file", "deb"];

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    [Theory]
    [MemberData(nameof(Forms))]
    public void What_is_installed_chooses_pids_by_either_name_and_for_others(string form)
    {
        Machine.NeedsRoot();
        string nslp = Install(form);
        string link = Path.Combine(_scratch, "set_ns_last_pid");
        File.CreateSymbolicLink(link, nslp);

        Finished run = Shell.InNewPidNamespace(
            $"""
            N={nslp}
            $N set 4242 && sh -c 'echo $$'
            {link} 5000 && sh -c 'echo $$'
            $N spawn 6000 -- sh -c 'echo $$'
            mkfifo {_scratch}/fifo
            $N serve {_scratch}/socket --method write 2>{_scratch}/fifo &
            exec 3<{_scratch}/fifo
            read line <&3
            $N set 7000 --server {_scratch}/socket && sh -c 'echo $$'
            kill $!
            wait $! && echo served
            """,
            $"{nslp} set 8000 && sh -c 'echo $$'; {nslp} verify --runs 2 --seed 1 | grep -x 'model and kernel agree'").Finish();

        Assert.Equal(["4243", "5001", "6000", "7001", "served", "8001", "model and kernel agree"], run.Lines);
    }

    [Fact]
    public void The_debian_package_puts_every_file_in_its_place_and_takes_it_away_again()
    {
        Machine.NeedsRoot();
        string root = InstallDeb();
        string[] files =
        [
            "usr/bin/nslp",
            "usr/bin/set_ns_last_pid",
            "usr/lib/systemd/system/nslp.service",
            "usr/lib/systemd/system/nslp.socket",
            "usr/share/bash-completion/completions/nslp",
            "usr/share/doc/nslp/changelog.gz",
            "usr/share/doc/nslp/copyright",
            "usr/share/fish/vendor_completions.d/nslp.fish",
            "usr/share/man/man1/nslp.1.gz",
            "usr/share/man/man1/set_ns_last_pid.1.gz",
            "usr/share/zsh/vendor-completions/_nslp",
        ];

        Assert.All(files, file => Assert.True(File.Exists(Path.Combine(root, file)), file));
        Assert.Equal("", Run($"dpkg --root={root} --verify nslp"));
        Assert.Equal($"amd64 {Version}\n", Run($"echo $(dpkg-deb -f {Deb} Architecture) $(dpkg-deb -f {Deb} Version)"));

        Run($"dpkg --root={root} --log=/dev/null --force-script-chrootless --remove nslp");

        Assert.Empty(Run($"find {root} -path {root}/var -prune -o -not -type d -print"));
    }

    private static string Version => typeof(Command).Assembly.GetName().Version!.ToString(3);

    private static string Deb => Package($"nslp_{Version}_amd64.deb");

    private static string Package(string name)
    {
        string path = Path.Combine(s_packages, name);
        Assert.SkipUnless(File.Exists(path), $"needs {name} by contrib/package");
        return path;
    }

    private static string Run(string script)
    {
        Finished run = Shell.Start(script).Finish();
        Assert.True(run.Status == 0, $"{script}: {run.Output}{run.Errors}");
        return run.Output;
    }

    // The path of the nslp that it installs where everybody may run it.
    private string Install(string form)
    {
        File.SetUnixFileMode(_scratch, (UnixFileMode)0b111_101_101);
        switch (form)
        {
            case "deb":
                return Path.Combine(InstallDeb(), "usr/bin/nslp");
            case "tool":
                Package($"nslp.{Version}.nupkg");
                Run($"dotnet tool install nslp --tool-path {_scratch}/tool --source {s_packages}");
                // NuGet unpacks for nobody but the user who installs.
                Run($"chmod a+x {_scratch}/tool/nslp");
                return $"{_scratch}/tool/nslp";
            default:
                string archive = Package($"nslp-{Version}-linux-x64{(form == "file" ? "-single" : "")}.tar.gz");
                Run($"tar -C {_scratch} -xf {archive} --strip-components=1");
                return $"{_scratch}/nslp";
        }
    }

    // In a root with nothing in it, so that nothing can be missing that the package depends on.
    private string InstallDeb()
    {
        string root = Path.Combine(_scratch, "root");
        Run(
            $"""
            mkdir -p {root}/var/lib/dpkg/info {root}/var/lib/dpkg/updates
            touch {root}/var/lib/dpkg/status {root}/var/lib/dpkg/available
            dpkg --root={root} --log=/dev/null --force-depends --force-script-chrootless --install {Deb}
            """);
        return root;
    }
}
