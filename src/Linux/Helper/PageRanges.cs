namespace SetNsLastPid.Linux;

/// <summary>Ranges of whole pages, sorted by their start; they may overlap.</summary>
internal sealed class PageRanges
{
    private long[] _bounds = new long[32];

    /// <summary>How many there are.</summary>
    internal int Count { get; private set; }

    internal long Start(int index) => _bounds[2 * index];

    /// <summary>The first address after range <paramref name="index"/>.</summary>
    internal long End(int index) => _bounds[(2 * index) + 1];

    /// <summary>Adds the pages of <paramref name="mapping"/> that meet the addresses from..to, if any.</summary>
    internal void Add(Mapping mapping, long from, long to)
    {
        long start = Math.Max(mapping.Start, from & -Environment.SystemPageSize);
        long end = Math.Min(mapping.End, (to + Environment.SystemPageSize - 1) & -Environment.SystemPageSize);
        if (start >= end)
        {
            return;
        }

        if (2 * Count == _bounds.Length)
        {
            Array.Resize(ref _bounds, 2 * _bounds.Length);
        }

        int at = 2 * Count++;
        for (; at > 0 && _bounds[at - 2] > start; at -= 2)
        {
            _bounds[at] = _bounds[at - 2];
            _bounds[at + 1] = _bounds[at - 1];
        }

        _bounds[at] = start;
        _bounds[at + 1] = end;
    }
}
