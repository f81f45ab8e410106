using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>What contrib/package made, installed and used. It must have been called before.</summary>
public sealed class PackageTests : IDisposable
{
    private static readonly string s_packages = Path.Combine(Source.Directory, "artifacts/packages");

    private readonly string _scratch = Directory.CreateTempSubdirectory("nslp-package-").FullName;

    public static TheoryData<string> Forms => ["tarball", "deb", "tool"];

    public static TheoryData<string> Machines => ["x64", "arm64"];

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
            "usr/share/doc/nslp/THIRD-PARTY-NOTICES.gz",
            "usr/share/doc/nslp/nslp.schema.json",
            "usr/share/doc/nslp/sbom.spdx.json",
            "usr/share/bash-completion/completions/set_ns_last_pid",
            "usr/share/fish/vendor_completions.d/set_ns_last_pid.fish",
            "usr/share/fish/vendor_completions.d/nslp.fish",
            "usr/share/lintian/overrides/nslp",
            "usr/share/man/man1/nslp.1.gz",
            "usr/share/man/man1/set_ns_last_pid.1.gz",
            "usr/share/zsh/vendor-completions/_nslp",
        ];

        Assert.All(files, file => Assert.True(File.Exists(Path.Combine(root, file)), file));
        Assert.Equal("", Run($"dpkg --root={root} --verify nslp"));

        Run($"dpkg --root={root} --log=/dev/null --force-script-chrootless --remove nslp");

        Assert.Empty(Run($"find {root} -path {root}/var -prune -o -not -type d -print"));
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void The_tarball_has_the_usual_tree(string machine)
    {
        string[] files =
        [
            "bin/nslp",
            "bin/set_ns_last_pid",
            "lib/systemd/system/nslp.service",
            "lib/systemd/system/nslp.socket",
            "share/bash-completion/completions/nslp",
            "share/bash-completion/completions/set_ns_last_pid",
            "share/doc/nslp/LICENSE",
            "share/doc/nslp/README.md",
            "share/doc/nslp/THIRD-PARTY-NOTICES",
            "share/doc/nslp/copyright",
            "share/doc/nslp/nslp.schema.json",
            "share/doc/nslp/sbom.spdx.json",
            "share/fish/vendor_completions.d/nslp.fish",
            "share/fish/vendor_completions.d/set_ns_last_pid.fish",
            "share/man/man1/nslp.1",
            "share/man/man1/set_ns_last_pid.1",
            "share/zsh/site-functions/_nslp",
        ];

        string listed = Run($"tar -tf {Tarball(machine)} | sed 's|^[^/]*/||' | grep -v '/$' | sort");

        Assert.Equal(files, listed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
        Assert.Equal("ExecStart=/usr/local/bin/nslp serve --method write\n", Run($"tar -xOf {Tarball(machine)} --wildcards '*/nslp.service' | grep ExecStart"));
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void Every_package_has_the_same_static_file(string machine)
    {
        File.SetUnixFileMode(_scratch, (UnixFileMode)0b111_101_101);
        Run($"tar -C {_scratch} -xf {Tarball(machine)} --strip-components=1; dpkg-deb -x {Deb(machine)} {_scratch}/deb");
        string nslp = Package(machine == "x64" ? "nslp" : $"nslp-{machine}");
        Run($"cmp {nslp} {_scratch}/bin/nslp && cmp {nslp} {_scratch}/deb/usr/bin/nslp");
        Run($"unzip -q -d {_scratch}/tool {Package($"nslp.linux-{machine}.{Version}.nupkg")} && cmp {nslp} {_scratch}/tool/tools/any/linux-{machine}/nslp");

        Assert.Equal(
            $"{(machine == "x64" ? "amd64" : machine)} {Version}\n",
            Run($"echo $(dpkg-deb -f {Deb(machine)} Architecture) $(dpkg-deb -f {Deb(machine)} Version)"));
        Assert.Equal("", Run($"dpkg-deb -f {Deb(machine)} Depends").Trim());
        Assert.Equal("", Run($"readelf -lW {nslp} | grep INTERP || true"));
        Assert.Contains(machine == "x64" ? "X86-64" : "AArch64", Run($"readelf -hW {nslp}"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void Every_package_says_what_is_in_it_and_by_whose_licence(string machine)
    {
        JsonElement sbom = JsonDocument.Parse(File.ReadAllText(Package($"about/linux-{machine}/sbom.spdx.json"))).RootElement;
        string[] names = [.. sbom.GetProperty("packages").EnumerateArray().Select(package => package.GetProperty("name").GetString()!)];
        string nslp = sbom.GetProperty("packages")[0].GetProperty("checksums")[0].GetProperty("checksumValue").GetString()!;

        Assert.Equal($"{nslp}\n", Run($"sha256sum <{Package(machine == "x64" ? "nslp" : $"nslp-{machine}")} | cut -d' ' -f1"));
        Assert.All(
            (string[])["nslp", "FSharp.Core", "FsCheck", "Tmds.LibC", "glibc", $"runtime.linux-{machine}.Microsoft.DotNet.ILCompiler"],
            name => Assert.Contains(name, names));
        Assert.Equal(names.Length, sbom.GetProperty("relationships").GetArrayLength());
        string notices = File.ReadAllText(Package($"about/linux-{machine}/THIRD-PARTY-NOTICES"));
        Assert.All((string[])["GNU LESSER GENERAL PUBLIC LICENSE", "LIBRARY_PATH=", "License notice for"], words => Assert.Contains(words, notices));
        foreach (string file in (string[])["THIRD-PARTY-NOTICES", "sbom.spdx.json"])
        {
            Run($"tar -xOf {Tarball(machine)} --wildcards '*/{file}' | cmp - {Package($"about/linux-{machine}/{file}")} && unzip -p {Package($"nslp.linux-{machine}.{Version}.nupkg")} {file} | cmp - {Package($"about/linux-{machine}/{file}")}");
        }
    }

    [Fact]
    public void The_version_is_said_in_one_place()
    {
        string changelog = File.ReadAllText(Path.Combine(Source.Directory, "CHANGELOG.md"));
        string[] pages = ["README.md", .. Directory.GetFiles(Path.Combine(Source.Directory, "doc"), "*.md")];

        Assert.Equal(Version, Regex.Match(changelog, @"^## \[([0-9.]+)\] - [0-9-]{10}$", RegexOptions.Multiline).Groups[1].Value);
        Assert.All(pages, page => Assert.DoesNotMatch(@"nslp[:_-][0-9]+\.[0-9]", File.ReadAllText(Path.Combine(Source.Directory, page))));
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void Lintian_finds_no_error(string machine)
    {
        Assert.SkipUnless(Shell.Start("command -v lintian").Finish().Status == 0, "needs lintian");

        Finished run = Shell.Start($"lintian --fail-on error --tag-display-limit 0 --allow-root {Deb(machine)}").Finish();

        Assert.True(run.Status == 0, run.Output + run.Errors);
    }

    [Theory]
    [InlineData("postinst", "configure", "systemctl --system daemon-reload")]
    [InlineData("postinst", "configure 0.0.9", "systemctl --system daemon-reload", "deb-systemd-invoke try-restart nslp.service")]
    [InlineData("postinst", "abort-upgrade 0.0.9")]
    [InlineData("prerm", "upgrade 0.2.0")]
    [InlineData("prerm", "remove", "deb-systemd-invoke stop nslp.socket nslp.service", "systemctl --system disable nslp.socket nslp.service")]
    [InlineData("postrm", "remove", "systemctl --system daemon-reload")]
    [InlineData("postrm", "upgrade 0.2.0")]
    [InlineData("postrm", "purge")]
    public void An_upgrade_restarts_the_service_and_a_removal_stops_it(string script, string arguments, params string[] calls)
    {
        Machine.NeedsRoot();
        // Where systemd runs, by all that the scripts look at.
        string made = Run(
            $"""
            mkdir {_scratch}/bin {_scratch}/run {_scratch}/run/systemd {_scratch}/run/systemd/system
            for c in systemctl deb-systemd-invoke; do printf '#!/bin/sh\necho "$(basename $0) $*" >>{_scratch}/calls\n' >{_scratch}/bin/$c; done
            chmod +x {_scratch}/bin/*; : >{_scratch}/calls
            dpkg-deb -e {Deb()} {_scratch}/control
            unshare -m sh -ec 'mount --bind {_scratch}/run /run; PATH={_scratch}/bin:$PATH {_scratch}/control/{script} {arguments}'
            cat {_scratch}/calls
            """);

        Assert.Equal(calls, made.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void On_other_machines_the_tool_is_run_by_the_SDKs_own_runtime()
    {
        // Unpacked: for another machine than this one the SDK installs no tool.
        Run($"unzip -q -d {_scratch}/any {Package($"nslp.any.{Version}.nupkg")}");

        Assert.Matches("^[0-9]+\n$", Run($"dotnet {_scratch}/any/tools/net10.0/any/nslp.dll get"));
    }

    [Fact]
    public void The_unit_is_as_closed_as_the_server_allows()
    {
        Assert.SkipUnless(Shell.Start("command -v systemd-analyze").Finish().Status == 0, "needs systemd-analyze");

        string last = Run($"systemd-analyze security --offline=true --no-pager {s_unit} | tail -n 1");

        Match level = Regex.Match(last, "level for nslp.service: ([0-9.]+) ");
        Assert.True(level.Success, last);
        Assert.InRange(double.Parse(level.Groups[1].Value, CultureInfo.InvariantCulture), 0, 1.2);
        Assert.Contains($"counts {level.Groups[1].Value} ", File.ReadAllText(Path.Combine(Source.Directory, "doc/security.md")));
    }

    // What PID 1 would set up for the unit, as far as a script can: the user, the one capability, no_new_privs, the mounts and
    // the limits; not the network, as the socket is of the one outside. What its system call filter and MemoryDenyWriteExecute=
    // would refuse is looked for in what strace saw.
    [Fact]
    public void The_server_does_nothing_that_the_unit_forbids()
    {
        Machine.NeedsRoot();
        Assert.SkipUnless(Tool.IsNative, "needs the native file");
        Finished run = Shell.InNewPidNamespace($$"""
            command -v strace >/dev/null && command -v systemd-analyze >/dev/null && command -v systemd-socket-activate >/dev/null || exit 77
            mount -t tmpfs none /mnt && chmod 1777 /mnt
            sed -n 's/^SystemCallFilter=//p' {{s_unit}} >/mnt/filter
            expand() { systemd-analyze syscall-filter "$1" | sed -n 's/^    \([a-z0-9_@-]*\)$/\1/p' | while read -r name; do
                case $name in @*) expand $name ;; *) echo $name ;; esac; done; }
            for set in $(grep -v '^~' /mnt/filter); do expand $set; done | sort -u >/mnt/allowed
            for set in $(sed -n 's/^~//p' /mnt/filter); do expand $set; done | sort -u >/mnt/refused
            [ -s /mnt/allowed ] && [ -s /mnt/refused ] || exit 1
            cat >/mnt/unit <<'END'
            mount -t proc -o hidepid=invisible proc /proc
            for f in /proc/sys /sys; do mount --bind $f $f && mount -o remount,bind,ro $f; done
            mount --bind /proc/sys/kernel/ns_last_pid /proc/sys/kernel/ns_last_pid && mount -o remount,bind,rw /proc/sys/kernel/ns_last_pid
            umask 0177
            exec strace -f -o /mnt/trace setpriv --reuid 61184 --regid 61184 --clear-groups --no-new-privs \
                --inh-caps=-all,+checkpoint_restore --ambient-caps=-all,+checkpoint_restore --bounding-set=-all,+checkpoint_restore \
                prlimit --nproc={{Unit("TasksMax")}} --core=0 systemd-socket-activate -d -l /mnt/s $N serve --method write
            END
            unshare -mu sh /mnt/unit 2>/mnt/log & wait_for '[ -S /mnt/s ]'
            $N set 4000 --server /mnt/s; /bin/sh -c 'echo $$'
            $N set 5000 --server /mnt/s; /bin/sh -c 'echo $$'
            P=$(sed -n "s|^\([0-9]*\) .*execve(\"$N\".* = 0$|\1|p" /mnt/trace | tail -n 1)
            kill $P; wait_for 'grep -q "^$P .*exited with 0" /mnt/trace'
            # Of nslp alone: from its execve on.
            sed -n "\|execve(\"$N\"|,\$p" /mnt/trace | grep "^$P " >/mnt/own
            sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' /mnt/own | sort -u >/mnt/calls
            grep -c . /mnt/calls; comm -23 /mnt/calls /mnt/allowed; comm -12 /mnt/calls /mnt/refused
            grep -E 'PROT_WRITE\|PROT_EXEC|mprotect\(.*PROT_EXEC|SHM_EXEC' /mnt/own
            grep -oE 'AF_[A-Z0-9]+' /mnt/own | sort -u
            """).Finish();
        Assert.SkipWhen(run.Status == 77, "needs strace and systemd's programs");

        Assert.Equal("", run.Errors);
        Assert.Equal(["4001", "5001"], run.Lines[..2]);
        Assert.InRange(int.Parse(run.Lines[2], CultureInfo.InvariantCulture), 10, 100);
        Assert.All(run.Lines[3..], line => Assert.Contains(line, new[] { "AF_UNIX" }));
    }

    private static readonly string s_unit = Path.Combine(Source.Directory, "contrib/systemd/nslp.service");

    private static string Unit(string setting) =>
        File.ReadLines(s_unit).Single(line => line.StartsWith(setting + "=", StringComparison.Ordinal))[(setting.Length + 1)..];

    /// <summary>A minute of two processors.</summary>
    [Fact(Explicit = true)]
    public void The_same_commit_gives_the_same_bytes_wherever_it_lies()
    {
        string made = Run(
            $"""
            git clone -q {Source.Directory} {_scratch}/elsewhere && cd {_scratch}/elsewhere && contrib/package tarball deb >&2
            cd artifacts/packages; for f in nslp *-x64.tar.gz *_amd64.deb; do cmp $f {s_packages}/$f && echo $f; done
            """);

        Assert.Equal(["nslp", $"nslp-{Version}-linux-x64.tar.gz", $"nslp_{Version}_amd64.deb"], made.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private static string Version => typeof(Command).Assembly.GetName().Version!.ToString(3);

    private static string Tarball(string machine = "x64") => Package($"nslp-{Version}-linux-{machine}.tar.gz");

    private static string Deb(string machine = "x64") => Package($"nslp_{Version}_{(machine == "x64" ? "amd64" : machine)}.deb");

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
                Package($"nslp.linux-x64.{Version}.nupkg");
                Run($"dotnet tool install nslp --tool-path {_scratch}/tool --source {s_packages}");
                // NuGet unpacks for nobody but the user who installs.
                Run($"chmod a+x {_scratch}/tool/nslp");
                return $"{_scratch}/tool/nslp";
            default:
                Run($"tar -C {_scratch} -xf {Tarball()} --strip-components=1");
                return $"{_scratch}/bin/nslp";
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
            dpkg --root={root} --log=/dev/null --force-script-chrootless --install {Deb()}
            """);
        return root;
    }
}
