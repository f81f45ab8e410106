using System.Diagnostics;
using System.Text;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>A C file of static assertions: what the compiler says of it is the test.</summary>
internal sealed class CProgram
{
    private readonly StringBuilder _text = new("#define _GNU_SOURCE\n#include <stddef.h>\n");

    internal int Assertions { get; private set; }

    internal void Include(params ReadOnlySpan<string> headers)
    {
        foreach (string header in headers)
        {
            _text.AppendLine($"#include <{header}>");
        }
    }

    internal void StaticAssert(string condition)
    {
        Assertions++;
        _text.AppendLine($"_Static_assert({condition}, \"\");");
    }

    /// <summary>Compiles it; the compiler's messages, empty when all assertions hold.</summary>
    internal string Compile()
    {
        ProcessStartInfo start = new("cc", "-x c -w -fsyntax-only -")
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        Process? compiler = null;
        try
        {
            compiler = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("no C compiler");
        }

        using (compiler)
        {
            compiler!.StandardInput.Write(_text.ToString());
            compiler.StandardInput.Close();
            string messages = compiler.StandardError.ReadToEnd();
            compiler.WaitForExit();
            return compiler.ExitCode == 0 ? "" : messages;
        }
    }
}
