using Microsoft.FSharp.Core;

namespace SetNsLastPid.Linux;

/// <summary>Why the images of a checkpoint cannot be read.</summary>
internal sealed class ImageException(string message, Errno errno = 0, string? help = null) : Exception(message)
{
    internal Complaint Complaint { get; } = new(message, errno, help);
}

/// <summary>Reads as much of a checkpoint of CRIU as tells its numbers, from a directory or an archive. Takes no more memory than
/// some times <see cref="Images.MaxLength"/>, whatever is in the files, and throws <see cref="ImageException"/>.</summary>
internal static class ImageReader
{
    private const string Help = "IMAGES is what criu dump -D was given, or the file that podman container checkpoint --export made";

    /// <summary>The longest image besides that of the tree; those have some dozens of bytes.</summary>
    internal const int MaxSmall = 65536;

    /// <param name="path">A directory, one with a directory checkpoint in it, or an archive, which is read front to back.</param>
    /// <param name="progress">Told every now and then how many bytes were read.</param>
    internal static Checkpoint Read(string path, Action<long> progress)
    {
        using Fd directory = Fd.Open(AT_FDCWD, path, O_DIRECTORY);
        if (directory.Error == Errno.ENOTDIR)
        {
            return ImageArchive.Read(path, progress);
        }

        // That of a container has it, beside the container's own files.
        using Fd inner = Fd.Open(directory.Number, "checkpoint", O_DIRECTORY);
        using Fd outer = inner.IsOpen ? Fd.Open(directory.Number, "pstree.img", O_NONBLOCK) : new Fd(Errno.EBADF);
        return !directory.IsOpen ? throw new ImageException($"cannot read '{path}'", directory.Error, Help)
            : inner.IsOpen && !outer.IsOpen ? Read(inner, path.TrimEnd('/') + "/checkpoint")
            : Read(directory, path.TrimEnd('/'));
    }

    /// <summary>The value of an image, or why it is none.</summary>
    /// <param name="result">What the bytes were found to be.</param>
    internal static T Value<T>(string image, FSharpResult<T, ImageFlaw> result) => result.IsOk
        ? result.ResultValue
        : throw new ImageException($"cannot read '{image}': at byte {result.ErrorValue.Offset}: {result.ErrorValue.Text}");

    /// <summary>All that follows in a file, which may be no longer than that.</summary>
    internal static byte[] ReadAll(string image, Stream file, int most)
    {
        byte[] bytes = new byte[4096];
        for (int length = 0; ;)
        {
            int got = file.ReadAtLeast(bytes.AsSpan(length), bytes.Length - length, throwOnEndOfStream: false);
            length += got;
            if (length < bytes.Length || length > most)
            {
                return length <= most
                    ? bytes[..length]
                    : throw new ImageException($"cannot read '{image}': it is longer than {most} bytes, as no such image is");
            }

            Array.Resize(ref bytes, Math.Min(bytes.Length * 2, most + 1));
        }
    }

    private static Checkpoint Read(Fd directory, string path)
    {
        ImageTree tree = Value($"{path}/pstree.img", Images.readTree(ReadImage("pstree.img", Images.MaxLength)));
        int ofCriu = Value($"{path}/inventory.img", Images.readInventory(ReadImage("inventory.img", MaxSmall)));
        string ids = $"ids-{tree.Root.Pid}.img";
        int ofRoot = Value($"{path}/{ids}", Images.readIds(ReadImage(ids, MaxSmall)));
        string pidns = $"pidns-{ofRoot}.img";
        using Fd given = Fd.Open(directory.Number, pidns, O_NONBLOCK);
        string key = given.Error == Errno.ENOENT ? "" : Value($"{path}/{pidns}", Images.readPidns(ReadImage(pidns, MaxSmall)));
        return new Checkpoint(tree, Images.namespaceOf(tree, ofRoot, ofCriu, Printable.From(key)));

        byte[] ReadImage(string name, int most)
        {
            // To open a FIFO may take for ever.
            using Fd file = Fd.Open(directory.Number, name, O_NONBLOCK);
            return file.IsOpen
                ? ReadAll($"{path}/{name}", new InputFile(file, $"{path}/{name}"), most)
                : throw new ImageException($"cannot read '{path}/{name}'", file.Error, file.Error == Errno.ENOENT ? Help : null);
        }
    }
}

/// <summary>An open file, read from where it stands. What cannot be read is an <see cref="ImageException"/>.</summary>
/// <param name="file">The file; it stays the caller's.</param>
/// <param name="path">What to call it.</param>
internal sealed unsafe class InputFile(Fd file, string path) : Stream
{
    private byte[] _head = [];

    /// <summary>How many bytes were read, or passed over.</summary>
    internal long Place { get; private set; }

    /// <summary>Has these bytes, which were read already, read again.</summary>
    internal void Return(byte[] head) => (_head, Place) = (head, 0);

    /// <summary>Passes over bytes where that takes no reading.</summary>
    internal bool TrySkip(long count)
    {
        bool isSkipped = _head.Length == 0 && !SysResult.Of(lseek(file.Number, count, SEEK_CUR)).IsError;
        Place += isSkipped ? count : 0;
        return isSkipped;
    }

    public override int Read(Span<byte> buffer)
    {
        int count = Math.Min(_head.Length, buffer.Length);
        if (count > 0)
        {
            _head.AsSpan(0, count).CopyTo(buffer);
            _head = _head[count..];
        }
        else
        {
            SysResult got;
            fixed (byte* start = buffer)
            {
                do
                {
                    got = SysResult.Of(read(file.Number, start, buffer.Length));
                }
                while (got.Error == Errno.EINTR);
            }

            count = got.IsError ? throw new ImageException($"cannot read '{path}'", got.Error) : got.Value;
        }

        Place += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
