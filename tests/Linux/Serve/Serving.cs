namespace SetNsLastPid.Tests.Linux;

/// <summary>Runs scripts with a server and its clients, in a PID namespace of their own.</summary>
internal static class Serving
{
    /// <summary>
    /// <c>$S</c> is the path of the socket, in a directory of the script's own; <c>serve OPTIONS</c> starts a server and
    /// waits until it listens, <c>$P</c> is its PID and <c>$LOG</c> its stderr; <c>stop</c> ends it. <c>$ASK VERB</c> is the
    /// client. <c>await FILE TEXT</c> waits for a text in a file.
    /// </summary>
    private static string Functions => $$"""
        D=/mnt S=/mnt/s LOG=/mnt/log
        ASK="env DOTNET_TieredCompilation=0 DOTNET_gcConcurrent=0 {{Tool.Directory}}/SetNsLastPid.Tests.Support"
        await() { for i in $(seq 400); do grep -q "$2" $1 2>/dev/null && return; sleep 0.05; done; echo "no '$2' in $1"; cat $1; exit 9; }
        serve() { : >$LOG; $N serve $S "$@" 2>$LOG & P=$!; await $LOG listening; }
        stop() { kill $P; wait $P; }

        """;

    /// <summary>Runs a script.</summary>
    /// <param name="script">The script.</param>
    /// <param name="unprivileged">Whether it has no privilege, so that the server cycles.</param>
    /// <param name="pidMax">As for <see cref="Shell.InNewPidNamespace"/>.</param>
    internal static Finished Run(string script, bool unprivileged = false, int pidMax = 32768)
    {
        Machine.NeedsPidNamespace();
        const string Directory = "mount -t tmpfs none /mnt && chmod 1777 /mnt";
        Shell shell = unprivileged
            ? Shell.InNewPidNamespace(Directory, Functions + script, pidMax)
            : Shell.InNewPidNamespace($"{Directory}\n{Functions}{script}", null, pidMax);
        return shell.Finish();
    }
}
