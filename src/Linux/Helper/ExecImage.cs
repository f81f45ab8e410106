namespace SetNsLastPid.Linux;

/// <summary>What execve takes, laid out in memory that the child has too, and the order in which to try: that of execvp(3),
/// which a child that can only make system calls cannot call.</summary>
internal sealed unsafe class ExecImage
{
    private readonly byte[] _strings;
    private readonly int[] _arguments;
    private readonly int[] _variables;
    private readonly int[] _paths;
    private readonly int _shell;
    private nint _start;
    private int _path;
    private bool _isScript;
    private bool _wasRefused;

    /// <param name="arguments">The command and its arguments, each with a NUL after it; at least one.</param>
    /// <param name="environment">Variables, each with a NUL after it.</param>
    internal ExecImage(byte[] arguments, byte[] environment)
    {
        byte[] paths = Paths(arguments.AsSpan(0, arguments.AsSpan().IndexOf((byte)0) + 1), environment);
        _strings = [.. arguments, .. environment, .. "/bin/sh\0"u8, .. paths];
        _shell = arguments.Length + environment.Length;
        _arguments = Starts(0, arguments.Length);
        _variables = Starts(arguments.Length, _shell);
        _paths = Starts(_strings.Length - paths.Length, _strings.Length);
    }

    /// <summary>How many bytes <see cref="CopyTo"/> needs.</summary>
    internal int Size =>
        StringsSize + ((_arguments.Length + 1 + _variables.Length + 1 + _arguments.Length + 2) * sizeof(nint));

    internal nint Path => _isScript ? _start + _shell : _start + _paths[_path];

    internal nint Arguments => _isScript ? (nint)ScriptArguments : (nint)Pointers;

    internal nint Environment => (nint)(Pointers + _arguments.Length + 1);

    private int StringsSize => (_strings.Length + sizeof(nint) - 1) & -sizeof(nint);

    private nint* Pointers => (nint*)(_start + StringsSize);

    private nint* ScriptArguments => Pointers + _arguments.Length + 1 + _variables.Length + 1;

    internal void CopyTo(nint address)
    {
        _start = address;
        _strings.CopyTo(new Span<byte>((void*)address, _strings.Length));
        Fill(Pointers, _arguments);
        Fill(Pointers + _arguments.Length + 1, _variables);
        // A script without #! is run by the shell: /bin/sh PATH ARGUMENT...
        Fill(ScriptArguments + 1, _arguments);
        *ScriptArguments = address + _shell;
    }

    internal void Rewind() => (_path, _isScript, _wasRefused) = (0, false, false);

    /// <summary>Goes on to what is to be tried after execve failed.</summary>
    /// <param name="error">Its errno; when nothing is left, the one to tell.</param>
    /// <returns>False when nothing is left to be tried.</returns>
    internal bool MoveNext(ref Errno error)
    {
        if (error == Errno.ENOEXEC && !_isScript)
        {
            _isScript = true;
            ScriptArguments[1] = _start + _paths[_path];
            return true;
        }

        _isScript = false;
        _wasRefused |= error == Errno.EACCES;
        if (error is not (Errno.EACCES or Errno.ENOENT or Errno.ESTALE or Errno.ENOTDIR or Errno.ENODEV or Errno.ETIMEDOUT))
        {
            return false;
        }

        if (_path + 1 < _paths.Length)
        {
            _path++;
            return true;
        }

        error = _wasRefused ? Errno.EACCES : error;
        return false;
    }

    private void Fill(nint* pointers, int[] starts)
    {
        for (int i = 0; i < starts.Length; i++)
        {
            pointers[i] = _start + starts[i];
        }

        pointers[starts.Length] = 0;
    }

    private int[] Starts(int from, int to)
    {
        List<int> starts = [];
        for (int at = from; at < to; at++)
        {
            if (at == from || _strings[at - 1] == 0)
            {
                starts.Add(at);
            }
        }

        return [.. starts];
    }

    // Each with a NUL after it. The command has its own.
    private static byte[] Paths(ReadOnlySpan<byte> command, byte[] environment)
    {
        // An empty name is a file that does not exist, not the directory that it would be in.
        if (command.Length == 1 || command.Contains((byte)'/'))
        {
            return command.ToArray();
        }

        ReadOnlySpan<byte> path = "/bin:/usr/bin"u8; // confstr(_CS_PATH)
        for (ReadOnlySpan<byte> rest = environment; !rest.IsEmpty; rest = rest[(rest.IndexOf((byte)0) + 1)..])
        {
            if (rest.StartsWith("PATH="u8))
            {
                path = rest[5..rest.IndexOf((byte)0)];
                break;
            }
        }

        List<byte> paths = [];
        foreach (Range range in path.Split((byte)':'))
        {
            paths.AddRange(path[range]);
            if (!path[range].IsEmpty)
            {
                paths.Add((byte)'/');
            }

            paths.AddRange(command);
        }

        return [.. paths];
    }
}
