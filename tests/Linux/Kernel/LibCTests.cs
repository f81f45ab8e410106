using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using SetNsLastPid.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class LibCTests
{
    private const BindingFlags All =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance;

    private static readonly string[] s_headers =
    [
        "fcntl.h", "stdio.h", "linux/openat2.h", "sched.h", "linux/sched.h", "linux/close_range.h", "signal.h", "sys/file.h", "sys/ioctl.h", "sys/prctl.h", "sys/resource.h",
        "sys/socket.h", "sys/syscall.h", "sys/time.h", "sys/wait.h", "linux/futex.h", "linux/memfd.h", "linux/nsfs.h", "linux/sockios.h", "sys/stat.h", "time.h",
    ];

    public static TheoryData<string> TypeNames => [.. CTypes().Select(type => type.Name)];

    [Fact]
    public void Constants_are_those_of_C()
    {
        CProgram program = new();
        program.Include(s_headers);
        foreach (PropertyInfo property in typeof(Kernel).GetProperties(All))
        {
            object? value = property.Name is nameof(Kernel.ThreadFlags) ? null : property.GetValue(null);
            if (value is int or uint or long or ulong)
            {
                string text = string.Create(CultureInfo.InvariantCulture, $"{value}");
                program.StaticAssert(value is ulong ? $"{property.Name} == {text}UL" : $"(int){property.Name} == {text}");
            }
        }

        Assert.True(program.Assertions > 10);
        Assert.Equal("", program.Compile());
    }

    /// <summary>Whatever machine this is: arm64 has the numbers of asm-generic.</summary>
    [Fact]
    public void Numbers_of_system_calls_on_arm64_are_those_of_asm_generic()
    {
        CProgram program = new();
        program.Include("asm-generic/unistd.h");
        string numbers = File.ReadAllText(Path.Combine(Source.Directory, "src/Linux/Sys/Kernel.cs"));
        foreach (Match number in Regex.Matches(numbers, @" SYS_(\w+) => X64 \? \d+ : (\d+);"))
        {
            program.StaticAssert($"__NR_{number.Groups[1]} == {number.Groups[2]}");
        }

        Assert.True(program.Assertions > 50);
        Assert.Equal("", program.Compile());
    }

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void Types_have_the_size_and_the_offsets_of_C(string typeName)
    {
        Type type = CTypes().Single(type => type.Name == typeName);
        CProgram program = new();
        program.Include(s_headers);
        program.StaticAssert($"sizeof(struct {type.Name}) == {SizeOf(type)}");
        foreach (FieldInfo field in type.GetFields(All))
        {
            program.StaticAssert($"offsetof(struct {type.Name}, {field.Name}) == {Marshal.OffsetOf(type, field.Name)}");
            program.StaticAssert($"sizeof(((struct {type.Name} *)0)->{field.Name}) == {SizeOf(field.FieldType)}");
        }

        Assert.Equal("", program.Compile());
    }

    /// <summary>
    /// Tmds.LibC's errno is the one saved after that package's calls: after a call of our own it would be an old one. So what we
    /// declare ourselves is only called by Raw, which returns the error.
    /// </summary>
    [Fact]
    public void Our_own_declarations_of_libc_are_private_to_Raw() =>
        Assert.All(
            typeof(Raw).Assembly.GetTypes()
                .SelectMany(type => type.GetMethods(All))
                .Where(method => method.Attributes.HasFlag(MethodAttributes.PinvokeImpl)),
            method => Assert.Equal((typeof(Raw), true), (method.DeclaringType, method.IsPrivate)));

    /// <summary>And so nobody else reads it: between a call and a look at it there may be another call.</summary>
    [Fact]
    public void Only_SysResult_reads_errno()
    {
        string sources = Path.Combine(Source.Directory, "src");
        string[] readers =
        [
            .. Directory.GetFiles(sources, "*.cs", SearchOption.AllDirectories)
                .Where(file => ReadsErrno(File.ReadAllText(file)))
                .Select(file => Path.GetRelativePath(sources, file)),
        ];

        Assert.Equal(["Linux/Sys/SysResult.cs"], readers);
    }

    /// <summary>What came of a call stays a <see cref="SysResult"/>: as a number an errno is a value like any other.</summary>
    [Fact]
    public void No_command_makes_a_number_of_what_may_be_an_errno() =>
        Assert.DoesNotContain(
            Directory.GetFiles(Path.Combine(Source.Directory, "src/Commands"), "*.cs", SearchOption.AllDirectories),
            file => Regex.IsMatch(File.ReadAllText(file), @"\((int|long|Errno)\)[^;\n]*(\.Raw\b|\(-)"));

    // Not in comments and strings, and not what is called so of one's own.
    private static bool ReadsErrno(string code)
    {
        code = Regex.Replace(code, @"//.*|""[^""\n]*""", "");
        return Regex.IsMatch(code, @"\bLibC\.errno\b")
            || (code.Contains("using static Tmds.Linux.LibC;")
                && Regex.IsMatch(code, @"(?<![\w.])errno\b")
                && !Regex.IsMatch(code, @"\b(n?int|Errno)\*? errno\b"));
    }

    private static IEnumerable<Type> CTypes() =>
        typeof(Kernel).Assembly.GetTypes().Where(type =>
            type.IsValueType && !type.IsEnum && !type.IsNested && type.Namespace == typeof(Kernel).Namespace && char.IsLower(type.Name[0]));

    private static unsafe int SizeOf(Type type) =>
        type.IsPointer
            ? sizeof(void*)
            : (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;
}
