namespace SetNsLastPid.Commands;

/// <summary>A PID namespace drawn with letters.</summary>
internal sealed class MapText(Look look)
{
    /// <summary>Lines besides the rows of cells.</summary>
    internal const int OtherLines = 7;

    private const int FewestColumns = 8;
    private const int Unit = 32;
    private const int MostColumns = 256;
    private const int Margin = 2;

    private readonly string _shades = look.IsUnicode ? "·░▒▓█" : ".:+*#";

    // Of a free cell on the way.
    private readonly char _way = look.IsUnicode ? '─' : '-';

    // How many cells a row has: a power of two or a multiple of 32, so that rows start at numbers that are easy to read.
    private int Columns(int pidMax)
    {
        int room = look.Columns - LabelWidth(pidMax) - Margin;
        return room >= Unit ? Math.Min(room / Unit * Unit, MostColumns) : room >= Unit / 2 ? Unit / 2 : FewestColumns;
    }

    /// <summary>The picture with at most so many rows, and what its signs mean.</summary>
    internal string Draw(MapFacts facts, int rows)
    {
        MapPicture picture = facts.Draw(Columns(facts.PidMax), rows);
        List<MapMark> marks = MapMark.Of(facts, picture);
        StringBuilder text = new();
        int labelWidth = LabelWidth(facts.PidMax);
        text.Append($"PIDs below {facts.PidMax}, {Cells(picture)}\n\n");
        for (int start = 0; start < picture.Blocks.Length; start += picture.Columns)
        {
            string label = picture.Blocks[start].First.ToString();
            text.Append(' ', Margin / 2).Append(look.Paint(Colour.Faint, label.PadLeft(labelWidth))).Append(' ', Margin / 2);
            AppendRow(text, picture, marks, start);
            text.Append('\n');
        }

        text.Append('\n');
        foreach (MapMark mark in marks)
        {
            text.Append(' ').Append(look.Paint(mark.Colour, Sign(mark).ToString())).Append(' ').Append(mark.Text).Append('\n');
        }

        text.Append($" {_shades[0]} free; in use up to {_shades[1]} a tenth, {_shades[2]} a third, {_shades[3]} two thirds, {_shades[4]} more");
        bool hasWay = Array.Exists(picture.Blocks, block => block.IsOnWay);
        text.Append(hasWay ? $"; {look.Paint(Colour.Amber, $"{_way} the way")}" : "").Append('\n');
        return text.ToString();
    }

    private static string Cells(MapPicture picture) => picture.BlockSize == 1
        ? $"one to a cell: {picture.Held} in use"
        : $"{picture.BlockSize} to a cell: {picture.Held} in use";

    private static int LabelWidth(int pidMax) => pidMax.ToString().Length;

    // Neighbours of one colour share its sequence.
    private void AppendRow(StringBuilder text, MapPicture picture, List<MapMark> marks, int start)
    {
        StringBuilder run = new();
        Colour? colour = null;
        for (int cell = start; cell < Math.Min(start + picture.Columns, picture.Blocks.Length); cell++)
        {
            MapBlock block = picture.Blocks[cell];
            MapMark? mark = MapMark.At(cell, picture, marks);
            Colour? its = mark?.Colour ?? (block.IsOnWay ? Colour.Amber : block.Shade == 0 ? Colour.Faint : null);
            if (its != colour)
            {
                Flush(text, run, colour);
                colour = its;
            }

            run.Append(mark is not null ? Sign(mark) : block.IsOnWay && block.Shade == 0 ? _way : _shades[block.Shade]);
        }

        Flush(text, run, colour);
    }

    private void Flush(StringBuilder text, StringBuilder run, Colour? colour)
    {
        text.Append(run.Length > 0 && colour is { } its ? look.Paint(its, run.ToString()) : run.ToString());
        run.Clear();
    }

    private char Sign(MapMark mark) => look.IsUnicode ? mark.Sign : mark.PlainSign;
}
