using System.Buffers.Text;
using static SetNsLastPid.Linux.Kernel;

namespace SetNsLastPid.Linux;

/// <summary>Users and groups by name or number, as /etc/passwd and /etc/group have them, else as getent(1) says: a static
/// program has no NSS of its own. getent(1) is asked once about each, gets none of the caller's environment, and 5 seconds
/// in all.</summary>
internal static unsafe class Accounts
{
    private const int MaxFile = 1 << 24;
    private const int MaxAnswer = 4096;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private static readonly Stopwatch s_waited = new();
    private static readonly Dictionary<uint, string> s_names = [];
    private static byte[]? s_users;

    /// <summary>Finds a user's number. A number stands for itself, whether or not there is such a user. Throws
    /// <see cref="RemoteException"/> if there is no user of that name, or if the number is that of all users without one.</summary>
    /// <param name="nobody">That number: <see cref="FindOverflowUser"/>.</param>
    internal static uint FindUser(string user, long nobody)
    {
        uint number = Find("/etc/passwd\0"u8, "passwd"u8, user) ?? throw new RemoteException($"there is no user '{user}'");
        return number != nobody ? number : throw new RemoteException(
            $"cannot tell user '{user}' from others", 0, $"users who are not mapped into this user namespace all appear as {number}");
    }

    /// <summary>Finds a group's number. Throws <see cref="RemoteException"/> if there is no group of that name.</summary>
    internal static uint FindGroup(string group) => Find("/etc/group\0"u8, "group"u8, group)
        ?? throw new RemoteException($"there is no group '{group}'");

    /// <summary>The name of a user, safe to print; the number where it has none.</summary>
    internal static string NameOf(uint user)
    {
        if (!s_names.TryGetValue(user, out string? name))
        {
            string number = user.ToString(CultureInfo.InvariantCulture);
            s_users ??= Read("/etc/passwd\0"u8);
            ReadOnlySpan<byte> entry = Entry(s_users, [], user);
            entry = entry.IsEmpty ? Entry(Ask("passwd"u8, Encoding.UTF8.GetBytes(number)), [], user) : entry;
            name = entry.IsEmpty ? number : Printable.From(Field(entry, 0));
            s_names[user] = name;
        }

        return name;
    }

    /// <summary>The number that senders without a number in this user namespace appear with, or -1 when all users have one
    /// here, as in the initial namespace.</summary>
    internal static long FindOverflowUser()
    {
        const int DefaultOverflowUid = 65534;
        // One line that maps all of the 32 bits but the last, which is no user.
        _ = Proc.ReadAllAt(AT_FDCWD, "/proc/self/uid_map\0"u8, out byte[] map);
        string[] numbers = Encoding.ASCII.GetString(map).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        _ = Proc.ReadAllAt(AT_FDCWD, "/proc/sys/kernel/overflowuid\0"u8, out byte[] text);
        return numbers is ["0", _, "4294967295"] ? -1
            : Utf8Parser.TryParse(text, out uint user, out _) ? user
            : DefaultOverflowUid;
    }

    private static uint? Find(ReadOnlySpan<byte> file, ReadOnlySpan<byte> database, string name)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        if (TryNumber(bytes, out uint number))
        {
            return number;
        }

        // What no entry can be called, and what getent(1) would take for an option or, as strtoul(3) does, for a number, of
        // which it keeps 32 bits.
        if (name.Length == 0
            || name[0] is <= ' ' or '+' or '-'
            || name.AsSpan().ContainsAny(":\n\0")
            || !name.AsSpan().ContainsAnyExceptInRange('0', '9'))
        {
            return null;
        }

        ReadOnlySpan<byte> entry = Entry(Read(file), bytes, null);
        // A directory may answer with the name as it spells it.
        entry = entry.IsEmpty ? Entry(Ask(database, bytes), [], null) : entry;
        return TryNumber(Field(entry, 2), out number) ? number : null;
    }

    // The first line, name:password:number and more, with that name, if one is given, and that number, or else any.
    private static ReadOnlySpan<byte> Entry(ReadOnlySpan<byte> lines, ReadOnlySpan<byte> name, uint? number)
    {
        foreach (Range range in lines.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = lines[range];
            if (TryNumber(Field(line, 2), out uint value)
                && (name.IsEmpty || Field(line, 0).SequenceEqual(name))
                && (number is null || value == number))
            {
                return line;
            }
        }

        return default;
    }

    private static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> line, int index)
    {
        foreach (Range range in line.Split((byte)':'))
        {
            if (index-- == 0)
            {
                return line[range];
            }
        }

        return default;
    }

    // The last number is "no user" to the kernel.
    private static bool TryNumber(ReadOnlySpan<byte> text, out uint number) =>
        Utf8Parser.TryParse(text, out number, out int used)
        && used == text.Length && text[0] != '+' && number != uint.MaxValue;

    // At most the first 16 MiB, and nothing of what is no regular file: reading that may never end.
    private static byte[] Read(ReadOnlySpan<byte> path)
    {
        using Fd file = Fd.Open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
        stat status;
        return file.IsOpen && fstat(file.Number, &status) == 0 && S_ISREG(status.st_mode)
            ? ReadUpTo(MaxFile, file.Number, Stopwatch.StartNew())
            : [];
    }

    // What it prints for a key.
    private static byte[] Ask(ReadOnlySpan<byte> database, byte[] key)
    {
        int* pipe = stackalloc int[2];
        if (s_waited.Elapsed >= s_patience || pipe2(pipe, O_CLOEXEC) != 0)
        {
            return [];
        }

        s_waited.Start();
        using Fd reader = new(pipe[0]), writer = new(pipe[1]);
        SysResult child;
        fixed (byte* usr = "/usr/bin/getent"u8, bin = "/bin/getent"u8, where = database, what = (byte[])[.. key, 0])
        {
            byte** arguments = stackalloc byte*[] { bin, where, what, null };
            child = Raw.Spawn(usr, arguments, writer.Number);
            child = child.IsError ? Raw.Spawn(bin, arguments, writer.Number) : child;
        }

        writer.Dispose();
        byte[] text = child.IsError ? [] : ReadUpTo(MaxAnswer, reader.Number, s_waited);
        if (!child.IsError)
        {
            _ = kill(child.Value, SIGKILL);
            _ = Raw.Call(SYS_wait4, child.Value);
        }

        s_waited.Stop();
        return text;
    }

    private static byte[] ReadUpTo(int most, int fd, Stopwatch waited)
    {
        byte[] text = new byte[MaxAnswer];
        int length = 0;
        while (length < most)
        {
            if (length == text.Length)
            {
                Array.Resize(ref text, 4 * length);
            }

            long left = Math.Max(0, (s_patience - waited.Elapsed).Ticks) * 100;
            timespec limit = new() { tv_sec = (time_t)(left / 1_000_000_000), tv_nsec = (long_t)(left % 1_000_000_000) };
            long poll = (uint)fd | ((long)POLLIN << 32);
            SysResult got = Raw.Call(SYS_ppoll, (nint)(&poll), 1, (nint)(&limit), 0, sizeof(ulong));
            if (got.Raw > 0)
            {
                fixed (byte* start = text)
                {
                    got = Raw.Call(SYS_read, fd, (nint)(start + length), text.Length - length);
                }
            }

            if (got.Raw <= 0)
            {
                break;
            }

            length += got.Value;
        }

        return text[..length];
    }
}
