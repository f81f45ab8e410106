namespace SetNsLastPid.Commands;

/// <summary>A PID namespace as an SVG picture, for a light and a dark page.</summary>
internal static class MapSvg
{
    private const int Columns = 64;
    private const int Rows = 16;
    private const int CellWidth = 11;
    private const int CellHeight = 18;
    private const int Gap = 1;
    private const int Left = 70;
    private const int Right = 50;
    private const int Top = 64;
    private const int LineHeight = 22;
    private const int Radius = 5;

    // A light page's colours, then a dark one's.
    private const string Style = """
        text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328 }
        .head { font-weight: bold; font-size: 15px }
        .faint { fill: #59636e }
        .page { fill: #ffffff; stroke: #d1d9e0 }
        .s0 { fill: #eaeef2 } .s1 { fill: #a5cdf5 } .s2 { fill: #54a0ee } .s3 { fill: #1a6fcf } .s4 { fill: #0a3f82 }
        .way { fill: #f5b82e; fill-opacity: .45 }
        .arrow { fill: none; stroke: #8250df; stroke-width: 2 } .head-of-arrow, .wrap { fill: #8250df }
        .next { fill: #1a7f37 } .target { fill: #cf222e } .mark { stroke: #ffffff; stroke-width: 1.5 }
        @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3 } .faint { fill: #9198a1 } .page { fill: #0d1117; stroke: #3d444d }
        .s0 { fill: #1c2128 } .s1 { fill: #12406f } .s2 { fill: #1f6fc5 } .s3 { fill: #58a6ff } .s4 { fill: #b6dcff }
        .arrow { stroke: #ab7df8 } .head-of-arrow, .wrap { fill: #ab7df8 }
        .next { fill: #3fb950 } .target { fill: #f85149 } .mark { stroke: #0d1117 }
        }

        """;

    internal static string Draw(MapFacts facts)
    {
        MapPicture picture = facts.Draw(Columns, Rows);
        List<MapMark> marks = MapMark.Of(facts, picture);
        int rows = (picture.Blocks.Length + Columns - 1) / Columns;
        int bottom = Top + (rows * CellHeight);
        int width = Left + (Columns * CellWidth) + Right;
        int height = bottom + (LineHeight * (marks.Count + 1)) + 16;
        string title = $"PIDs below {facts.PidMax}, {picture.BlockSize} to a cell: {picture.Held} in use";

        StringBuilder svg = new();
        svg.Append($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n");
        svg.Append($"<title>{title}</title>\n<style>\n{Style}</style>\n");
        svg.Append($"<rect class=\"page\" x=\".5\" y=\".5\" width=\"{width - 1}\" height=\"{height - 1}\" rx=\"8\"/>\n");
        Text(svg, Left, 30, "head", title);
        for (int row = 0; row < rows; row++)
        {
            int y = Top + (row * CellHeight) + 13;
            svg.Append($"<text class=\"faint\" x=\"{Left - 10}\" y=\"{y}\" text-anchor=\"end\">{picture.Blocks[row * Columns].First}</text>\n");
        }

        for (int shade = 0; shade < PidMap.Shades; shade++)
        {
            Cells(svg, picture, $"s{shade}", block => block.Shade == shade);
        }

        Cells(svg, picture, "way", block => block.IsOnWay);
        if (picture.Wrap.IsSome)
        {
            Arrow(svg, picture.Blocks.Length - 1, PidMap.cellOf(picture.Wrap.Value, picture));
        }

        foreach (MapMark mark in marks.Where(mark => mark.Name != "wrap" && mark.Pid >= 0))
        {
            (int x, int y) = Place(PidMap.cellOf(mark.Pid, picture));
            Mark(svg, mark, x + ((CellWidth - Gap) / 2), y + ((CellHeight - Gap) / 2));
        }

        Legend(svg, marks, bottom, Array.Exists(picture.Blocks, block => block.IsOnWay));
        return svg.Append("</svg>\n").ToString();
    }

    private static (int X, int Y) Place(int cell) =>
        (Left + (cell % Columns * CellWidth), Top + (cell / Columns * CellHeight));

    // One path for all cells of a kind: a rectangle for each would be three times as long.
    private static void Cells(StringBuilder svg, MapPicture picture, string kind, Func<MapBlock, bool> isOfKind)
    {
        StringBuilder path = new();
        for (int cell = 0; cell < picture.Blocks.Length; cell++)
        {
            if (isOfKind(picture.Blocks[cell]))
            {
                (int x, int y) = Place(cell);
                path.Append($"M{x} {y}h{CellWidth - Gap}v{CellHeight - Gap}h-{CellWidth - Gap}z");
            }
        }

        if (path.Length > 0)
        {
            svg.Append($"<path class=\"{kind}\" d=\"{path}\"/>\n");
        }
    }

    // Out at the right of the last cell, up the margin, and from above into the cell where it goes on.
    private static void Arrow(StringBuilder svg, int from, int to)
    {
        (int x, int y) = Place(from);
        (int goalX, int goalY) = Place(to);
        int startX = x + CellWidth - Gap, startY = y + (CellHeight / 2);
        int endX = goalX + ((CellWidth - Gap) / 2);
        int margin = Left + (Columns * CellWidth) + 20;
        svg.Append($"<path class=\"arrow\" d=\"M{startX} {startY}H{margin}V{Top - 16}H{endX}V{goalY - 4}\"/>\n");
        svg.Append($"<path class=\"head-of-arrow\" d=\"M{endX} {goalY + 2}l-5 -9h10z\"/>\n");
    }

    private static void Mark(StringBuilder svg, MapMark mark, int x, int y) => svg.Append(mark.Name switch
    {
        "next" => $"<path class=\"next mark\" d=\"M{x} {y - 8}l8 14h-16z\"/>\n",
        "target" => $"<path class=\"target mark\" d=\"M{x} {y - 9}l8 9l-8 9l-8 -9z\"/>\n",
        _ => $"<path class=\"wrap\" d=\"M{x} {y + 6}l-5 -9h10z\"/>\n",
    });

    private static void Legend(StringBuilder svg, List<MapMark> marks, int bottom, bool hasWay)
    {
        int y = bottom + LineHeight;
        foreach (MapMark mark in marks)
        {
            Mark(svg, mark, Left + Radius + 3, y - 1);
            Text(svg, Left + 24, y + 4, "", mark.Text);
            y += LineHeight;
        }

        List<(string Kind, string Words)> kinds =
            [("s0", "free"), ("s1", "in use: up to a tenth"), ("s2", "a third"), ("s3", "two thirds"), ("s4", "more")];
        if (hasWay)
        {
            kinds.Add(("way", "on the way"));
        }

        int x = Left;
        foreach ((string kind, string words) in kinds)
        {
            svg.Append($"<path class=\"{kind}\" d=\"M{x} {y - 8}h{CellWidth}v{CellHeight - 2}h-{CellWidth}z\"/>\n");
            Text(svg, x + CellWidth + 6, y + 4, "", words);
            x += CellWidth + 26 + (8 * words.Length);
        }
    }

    private static void Text(StringBuilder svg, int x, int y, string kind, string text) =>
        svg.Append($"<text{(kind == "" ? "" : $" class=\"{kind}\"")} x=\"{x}\" y=\"{y}\">{text}</text>\n");
}
