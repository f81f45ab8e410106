using System.IO.Compression;

namespace SetNsLastPid.Linux;

/// <summary>The images in a tar archive, compressed by gzip or not, which may be a pipe.</summary>
internal sealed class ImageArchive
{
    // Of the images for each process only the namespace is kept, and criu restores no tree of more than one and a new one.
    private const int MaxNamespaces = 64;

    // Of a compressed archive, so that somebody who looks on sees it move.
    private const int Part = 1 << 16;

    private static readonly (byte[] Magic, string Tool)[] s_others =
    [
        ([0x28, 0xb5, 0x2f, 0xfd], "zstd"), ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "xz"), ("BZh"u8.ToArray(), "bzip2"), ([4, 0x22, 0x4d, 0x18], "lz4"),
    ];

    private readonly string _path;
    private readonly InputFile _input;
    private readonly Stream _archive;
    private readonly Action<long> _progress;
    private readonly Dictionary<int, PidSet> _ids = [];
    private readonly Dictionary<int, string> _keys = [];
    private ImageTree? _tree;
    private int? _ofCriu;
    private long _place;

    private ImageArchive(string path, InputFile input, Stream archive, Action<long> progress) =>
        (_path, _input, _archive, _progress) = (path, input, archive, progress);

    /// <summary>Reads no further than it takes.</summary>
    /// <param name="progress">Told every now and then how many bytes were read.</param>
    internal static Checkpoint Read(string path, Action<long> progress)
    {
        using Fd file = Fd.Open(AT_FDCWD, path, O_RDONLY);
        if (!file.IsOpen)
        {
            throw new ImageException($"cannot read '{path}'", file.Error);
        }

        InputFile input = new(file, path);
        byte[] head = new byte[Tar.Block];
        int length = input.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        input.Return(head[..length]);
        Refuse(path, head);
        using Stream archive = head is [0x1f, 0x8b, ..] ? new GZipStream(input, CompressionMode.Decompress) : input;
        ImageArchive images = new(path, input, archive, progress);
        try
        {
            images.ReadEntries();
        }
        catch (InvalidDataException)
        {
            throw new ImageException($"cannot read '{path}': its compressed data is damaged before byte {input.Place}");
        }

        return images.Assemble();
    }

    private Checkpoint Assemble()
    {
        if (_tree is not null && _ofCriu is not null && OfRoot is { } ofRoot)
        {
            return new Checkpoint(_tree, Images.namespaceOf(_tree, ofRoot, _ofCriu.Value, _keys.GetValueOrDefault(ofRoot, "")));
        }

        string missing = _tree is null ? "pstree.img" : _ofCriu is null ? "inventory.img" : $"ids-{_tree.Root.Pid}.img";
        throw new ImageException($"cannot read 'checkpoint/{missing}' in '{_path}': it is not there");
    }

    private int? OfRoot => _tree is null ? null
        : _ids.Where(ids => PidSetModule.contains(_tree.Root.Pid, ids.Value)).Select(ids => (int?)ids.Key).FirstOrDefault();

    // Whether criu is to be given a namespace, some later image may say; but for an init of one that it makes itself.
    private bool IsComplete => _tree is not null && _ofCriu is not null && OfRoot is { } ofRoot
        && (_keys.ContainsKey(ofRoot) || (_tree.Root.Pid == 1 && ofRoot != _ofCriu));

    private static void Refuse(string path, byte[] head)
    {
        foreach ((byte[] magic, string tool) in s_others)
        {
            if (head.AsSpan().StartsWith(magic))
            {
                throw new ImageException(
                    $"cannot read '{path}': it is compressed by {tool}", 0, $"'{tool} -dc FILE | nslp preflight /dev/stdin' reads it");
            }
        }

        if (Images.isImage(head))
        {
            throw new ImageException($"cannot read '{path}': it is one of the images", 0, "IMAGES is the directory that they are in");
        }
    }

    private void ReadEntries()
    {
        byte[]? extension = null;
        while (!IsComplete && ReadBlock(isFirst: true) is { } block)
        {
            TarHeader header = Tar.header(block);
            if (extension is not null && header is not TarHeader.Extension)
            {
                header = Tar.extend(extension, header);
                extension = null;
            }

            switch (header)
            {
                case TarHeader.File file:
                    Take(file.Path, file.Size);
                    break;
                case TarHeader.Extension { Size: var size }:
                    extension = ReadContents(size, ImageReader.MaxSmall, $"an extended header' in '{_path}");
                    break;
                case TarHeader.Skipped { Size: var size }:
                    Skip(size);
                    break;
                case TarHeader.Sparse { Size: var size }:
                    for (bool isHeader = true; Tar.continues(isHeader, block); isHeader = false)
                    {
                        block = ReadBlock(isFirst: false)!;
                    }

                    Skip(size);
                    break;
                case { IsEnd: true }:
                    return;
                default:
                    throw new ImageException($"cannot read '{_path}': at byte {_place - Tar.Block}: that is no tar archive");
            }

            _progress(_input.Place);
        }
    }

    private void Take(string name, long size)
    {
        string image = $"{Printable.From(name)}' in '{_path}";
        switch (Images.name(name))
        {
            case { IsTree: true } when _tree is null:
                _tree = ImageReader.Value(image, Images.readTree(ReadContents(size, Images.MaxLength, image)));
                break;
            case { IsInventory: true } when _ofCriu is null:
                _ofCriu = ImageReader.Value(image, Images.readInventory(Small()));
                break;
            case ImageName.Ids { Pid: var pid } when _tree is null || _tree.Root.Pid == pid:
                int id = ImageReader.Value(image, Images.readIds(Small()));
                if (!_ids.TryGetValue(id, out PidSet pids))
                {
                    pids = PidSetModule.empty;
                    Limit(_ids.Count);
                }

                _ids[id] = PidSetModule.add(pid, pids);
                break;
            case ImageName.Pidns { Namespace: var key }:
                Limit(_keys.Count);
                _keys[key] = Printable.From(ImageReader.Value(image, Images.readPidns(Small())));
                break;
            default:
                Skip(size);
                break;
        }

        byte[] Small() => ReadContents(size, ImageReader.MaxSmall, image);
    }

    private void Limit(int count)
    {
        if (count >= MaxNamespaces)
        {
            throw new ImageException($"cannot read '{_path}': its images have more than {MaxNamespaces} PID namespaces");
        }
    }

    // Null at the end of the archive, where a first one may be missing.
    private byte[]? ReadBlock(bool isFirst)
    {
        byte[] block = new byte[Tar.Block];
        int length = _archive.ReadAtLeast(block, block.Length, throwOnEndOfStream: false);
        _place += length;
        return length == block.Length ? block : length == 0 && isFirst ? null : throw Truncated();
    }

    private byte[] ReadContents(long size, int most, string name)
    {
        if (size > most)
        {
            throw new ImageException($"cannot read '{name}': it is longer than {most} bytes, as no such image is");
        }

        byte[] bytes = new byte[Padded(size)];
        int length = _archive.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        _place += length;
        return length == bytes.Length ? bytes[..(int)size] : throw Truncated();
    }

    private void Skip(long size)
    {
        long left = Padded(size);
        if (_archive == _input && _input.TrySkip(left))
        {
            _place += left;
            return;
        }

        byte[] part = new byte[Math.Min(left, Part)];
        while (left > 0)
        {
            int got = _archive.Read(part, 0, (int)Math.Min(left, part.Length));
            if (got == 0)
            {
                throw Truncated();
            }

            left -= got;
            _place += got;
            _progress(_input.Place);
        }
    }

    private ImageException Truncated() =>
        new($"cannot read '{_path}': it ends at byte {(_archive == _input ? _place : _input.Place)}, within an entry");

    private static long Padded(long size) => size > long.MaxValue - Tar.Block ? size : (size + Tar.Block - 1) / Tar.Block * Tar.Block;
}
