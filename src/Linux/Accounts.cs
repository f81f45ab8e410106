using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Linux;

#pragma warning disable CS8981 // C's names are lower case.

/// <summary>Users and groups by name or number.</summary>
internal static unsafe class Accounts
{
    private const int Size = 65536;

    /// <summary>Finds a user's number. A number stands for itself, whether or not there is such a user.</summary>
    /// <returns>The number, or -1 when there is no user of that name.</returns>
    internal static long FindUser(string user)
    {
        if (TryNumber(user, out long number))
        {
            return number;
        }

        passwd entry;
        passwd* result = null;
        byte* buffer = stackalloc byte[Size];
        fixed (byte* name = Encoding.UTF8.GetBytes(user + "\0"))
        {
            return getpwnam_r(name, &entry, buffer, Size, &result) == 0 && result != null ? entry.pw_uid : -1;
        }
    }

    /// <summary>Finds a group's number. A number stands for itself, whether or not there is such a group.</summary>
    /// <returns>The number, or -1 when there is no group of that name.</returns>
    internal static long FindGroup(string groupName)
    {
        if (TryNumber(groupName, out long number))
        {
            return number;
        }

        group entry;
        group* result = null;
        byte* buffer = stackalloc byte[Size];
        fixed (byte* name = Encoding.UTF8.GetBytes(groupName + "\0"))
        {
            return getgrnam_r(name, &entry, buffer, Size, &result) == 0 && result != null ? (uint)entry.gr_gid : -1;
        }
    }

    /// <summary>
    /// The number that senders without a number in this user namespace appear with, or -1 when all users have one
    /// here, as in the initial namespace.
    /// </summary>
    internal static long FindOverflowUser()
    {
        // One line that maps all of the 32 bits but the last, which is no user.
        string[] map = File.ReadAllText("/proc/self/uid_map").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return map is ["0", _, "4294967295"]
            ? -1
            : long.Parse(File.ReadAllText("/proc/sys/kernel/overflowuid"), CultureInfo.InvariantCulture);
    }

    private static bool TryNumber(string text, out long number)
    {
        bool isNumber = uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint value);
        number = value;
        // The last number is "no user" to the kernel.
        return isNumber && value != uint.MaxValue;
    }

    // pwd.h, which Tmds.LibC does not have.
    [DllImport("libc.so.6")]
    private static extern int getpwnam_r(byte* name, passwd* pwd, byte* buffer, size_t buflen, passwd** result);

    private struct passwd
    {
        public byte* pw_name;
        public byte* pw_passwd;
        public uint pw_uid;
        public uint pw_gid;
        public byte* pw_gecos;
        public byte* pw_dir;
        public byte* pw_shell;
    }
}
