using System.Text;
using SetNsLastPid.Linux;
using static Tmds.Linux.LibC;

namespace SetNsLastPid.Commands;

/// <summary>The file that <c>nslp map --svg</c> writes.</summary>
internal static class MapFile
{
    private const string Name = "map";
    private const int Mode = 0x1b6; // 0666, less the umask

    /// <summary>Writes to a file that must not exist, which a symbolic link does, or with "-" to stdout.</summary>
    /// <returns>The exit status.</returns>
    internal static int Write(string path, string text)
    {
        if (path == "-")
        {
            return Output.Print(Name, text);
        }

        using Fd file = Create(path);
        if (!file.IsOpen)
        {
            return Output.Fail(
                Name,
                $"cannot create '{path}'",
                (int)file.Error,
                file.Error == Errno.EEXIST ? "nothing is overwritten: '--svg -' writes to stdout" : null);
        }

        int written = Output.WriteTo(file.Number, text);
        return written == 0 ? Output.Done : Output.Fail(Name, $"cannot write '{path}'", written, "what was written so far is left there");
    }

    private static unsafe Fd Create(string path)
    {
        fixed (byte* pathname = Encoding.UTF8.GetBytes(path + '\0'))
        {
            return new Fd(SysResult.Of(open(pathname, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, Mode)));
        }
    }
}
