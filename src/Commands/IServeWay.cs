namespace SetNsLastPid.Commands;

/// <summary>How the server makes a number the last PID.</summary>
internal interface IServeWay
{
    /// <summary>The name of the method, as of <c>--method</c>.</summary>
    string Method { get; }

    /// <summary>Whether a request can take longer than the process has to end after a signal.</summary>
    bool TakesLong { get; }

    /// <summary>Makes <paramref name="pid"/> the last PID.</summary>
    /// <param name="pid">0 or more.</param>
    /// <param name="client">The process that asks, 0 when it is not seen here.</param>
    /// <param name="error">The errno of what failed, 0 for none.</param>
    /// <returns>Null when it is, else why not; empty when <paramref name="error"/> says it all.</returns>
    string? Set(int pid, int client, out int error);
}
