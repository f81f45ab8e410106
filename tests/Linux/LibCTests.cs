using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using SetNsLastPid.Linux;
using Tmds.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class LibCTests
{
    private const BindingFlags All =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance;

    private static readonly string[] s_headers =
    [
        "errno.h", "fcntl.h", "grp.h", "poll.h", "sched.h", "linux/sched.h", "linux/close_range.h", "signal.h", "sys/file.h", "sys/ioctl.h",
        "sys/mman.h", "sys/mount.h", "sys/prctl.h", "sys/resource.h", "sys/socket.h", "sys/stat.h", "sys/syscall.h",
        "sys/time.h", "sys/un.h", "sys/wait.h", "time.h", "unistd.h", "linux/futex.h", "linux/nsfs.h",
        "linux/sockios.h", "linux/time_types.h",
    ];

    // What C calls the types, where it is not "struct" and the name.
    private static readonly Dictionary<string, string> s_names = new()
    {
        ["clone_args"] = "struct clone_args",
        ["cmsghdr"] = "struct cmsghdr",
        ["gid_t"] = "gid_t",
        ["group"] = "struct group",
        ["iovec"] = "struct iovec",
        ["long_t"] = "long",
        ["mmsghdr"] = "struct mmsghdr",
        ["msghdr"] = "struct msghdr",
        ["pollfd"] = "struct pollfd",
        ["sa_family_t"] = "sa_family_t",
        ["sockaddr"] = "struct sockaddr",
        ["sockaddr_un"] = "struct sockaddr_un",
        ["socklen_t"] = "socklen_t",
        ["statx"] = "struct statx",
        ["statx_timestamp"] = "struct statx_timestamp",
        ["time_t"] = "time_t",
        ["timespec"] = "struct timespec",
        ["timeval"] = "struct timeval",
        ["ucred"] = "struct ucred",
        ["uid_t"] = "uid_t",
        ["ulong_t"] = "unsigned long",
        ["mode_t"] = "mode_t",
        ["off_t"] = "off_t",
        ["pid_t"] = "pid_t",
        ["rlimit64"] = "struct rlimit64",
        ["sigaction"] = "struct sigaction",
        ["sigset_t"] = "sigset_t",
        ["size_t"] = "size_t",
        ["ssize_t"] = "ssize_t",
        ["syscall_arg"] = "long",
        ["timespec64"] = "struct __kernel_timespec",
    };

    public static TheoryData<Type> Classes => [typeof(LibC), typeof(Kernel)];

    public static TheoryData<string> TypeNames => [.. CTypes().Select(type => type.Name)];

    [Theory]
    [MemberData(nameof(Classes))]
    public void Constants_are_those_of_C(Type type)
    {
        CProgram program = new();
        program.Include(s_headers);
        foreach (PropertyInfo property in type.GetProperties(All))
        {
            object? value = property.Name is "errno" or nameof(Kernel.ThreadFlags) ? null : property.GetValue(null);
            switch (value)
            {
                case int or uint or long or ulong:
                    string text = string.Create(CultureInfo.InvariantCulture, $"{value}");
                    program.StaticAssert(
                        value is ulong ? $"{property.Name} == {text}UL" : $"(int){property.Name} == {text}");
                    break;
                case Pointer pointer:
                    program.StaticAssert($"(long){property.Name} == {PointerValue(pointer)}");
                    break;
            }
        }

        Assert.True(program.Assertions > 10);
        Assert.Equal("", program.Compile());
    }

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void Types_have_the_size_and_the_offsets_of_C(string typeName)
    {
        Type type = CTypes().Single(type => type.Name == typeName);
        Assert.True(s_names.TryGetValue(type.Name, out string? name), $"{type.Name} is not in the list of C's names");
        CProgram program = new();
        program.Include(s_headers);
        program.StaticAssert($"sizeof({name}) == {SizeOf(type)}");
        foreach (FieldInfo field in type.GetFields(All))
        {
            string fieldName = field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>')] : field.Name;
            if (!fieldName.StartsWith("__", StringComparison.Ordinal))
            {
                program.StaticAssert($"offsetof({name}, {fieldName}) == {Marshal.OffsetOf(type, field.Name)}");
                program.StaticAssert($"sizeof((({name} *)0)->{fieldName}) == {SizeOf(field.FieldType)}");
            }
        }

        Assert.Equal("", program.Compile());
    }

    private static IEnumerable<Type> CTypes() =>
        typeof(LibC).Assembly.GetTypes().Where(type =>
            type.IsValueType && !type.IsEnum && !type.IsNested
            && (type.Namespace == typeof(LibC).Namespace
                || (type.Namespace == typeof(Kernel).Namespace && char.IsLower(type.Name[0]))));

    private static unsafe long PointerValue(Pointer pointer) => (long)Pointer.Unbox(pointer);

    private static unsafe int SizeOf(Type type) =>
        type.IsPointer
            ? sizeof(void*)
            : (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;
}
